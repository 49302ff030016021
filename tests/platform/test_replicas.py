"""Positions in the log of PostgreSQL, and what a client is told of them."""

from math import inf

import anyio.to_thread
import psycopg
import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from trivet.data.database import Database
from trivet.data.replicas.client import ClientPosition, current_client, enter_client
from trivet.data.replicas.position import BEYOND, WalPosition
from trivet.data.replicas.server import ServerState
from trivet.data.replicas.watch import PrimaryLog

COVERED = (
    # replica, commit, whether the replica shows it
    ((1, 100), (1, 100), True),
    ((1, 101), (1, 100), True),
    ((1, 99), (1, 100), False),
    ((2, 150), (1, 100), True),  # before the fork, or lost everywhere
    ((2, 150), (1, 200), False),
    ((1, 500), (2, 200), False),  # as many bytes, of a log that nobody follows any more
    ((3, 200), (2, 200), True),
)


@pytest.mark.parametrize(("replica", "commit", "shows"), COVERED)
def test_a_replica_shows_what_it_has_replayed_of_the_same_log(
    replica: tuple[int, int], commit: tuple[int, int], shows: bool
) -> None:
    assert WalPosition(*replica).covers(WalPosition(*commit)) is shows
    assert not WalPosition(*replica).covers(BEYOND)


@pytest.mark.parametrize(
    ("timeline", "lsn", "text"),
    [
        (1, "0/0", "1-0"),
        (1, "16/B374D848", "1-16B374D848"),
        (10, "0/A0", "A-A0"),
        (2**32 - 2, "FFFFFFFF/FFFFFFFF", "FFFFFFFE-FFFFFFFFFFFFFFFF"),
    ],
)
def test_the_text_of_a_position_is_read_back(timeline: int, lsn: str, text: str) -> None:
    position = WalPosition.of_server(timeline, lsn)
    assert str(position) == text
    assert WalPosition.parse(text) == position


@pytest.mark.parametrize(
    "text", ["", "-", "1", "1-", "-1", "1-g", "1-a", " 1-A", "1-A ", "1-A\n", "+1-A", "1-1_0"]
)
def test_what_is_no_position_is_one_that_no_replica_has(text: str) -> None:
    assert WalPosition.parse(text) is BEYOND
    assert WalPosition.parse(f"123456789-{text}1") is BEYOND


def test_a_client_has_to_see_the_latest_of_what_it_brought_and_wrote() -> None:
    client = ClientPosition(WalPosition(1, 50))
    leave = enter_client(client)
    assert current_client() is client
    for byte in (70, 60):
        client.note(WalPosition(1, byte))
    assert client.newest == client.written == WalPosition(1, 70)

    forged = ClientPosition(WalPosition(1, 10**15))
    forged.note(WalPosition(1, 70))
    assert forged.written == WalPosition(1, 70)
    leave()
    assert current_client() is None


def state(byte: int, *, is_standby: bool = False, timeline: int = 1) -> ServerState:
    return ServerState(is_standby, False, WalPosition(timeline, byte), (1, "d"))


def test_a_replica_is_as_far_behind_as_the_oldest_that_it_lacks() -> None:
    now = [1000.0]
    log = PrimaryLog(lambda: now[0])
    assert (log.newest, log.lag_of(WalPosition(1, 0))) == (None, 0)
    for now[0], byte in ((1000.0, 10), (1010.0, 20), (1020.0, 20), (1030.0, 30)):
        log.note(state(byte))
    log.note(state(99, is_standby=True))
    now[0] = 1031.0
    assert log.newest == WalPosition(1, 30)
    lags = {byte: log.lag_of(WalPosition(1, byte)) for byte in (9, 10, 19, 20, 29, 30, 31)}
    assert lags == {9: inf, 10: 21, 19: 21, 20: 1, 29: 1, 30: 0, 31: 0}
    log.note(state(31, timeline=2))
    now[0] = 1041.0
    assert log.lag_of(WalPosition(1, 10**9)) == 10


DATABASE = pytest.mark.database("postgresql")
TABLE = """
CREATE TABLE berth (id int UNIQUE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE quay (id int)
"""


async def dock(connection: AsyncConnection, *statements: str) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement)


def last_commands(url: str) -> set[str]:
    """What the other connections to the database at `url` have sent last."""
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT query FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query <> ''"
        )
        return {query for (query,) in rows}


@DATABASE
@pytest.mark.anyio
async def test_a_commit_is_what_it_was_where_no_client_needs_its_position(
    database: Database, notes_url: str
) -> None:
    async with database.engine.begin() as connection:
        await dock(connection, TABLE)
    sent = await anyio.to_thread.run_sync(last_commands, notes_url)
    assert sent == {"COMMIT"}


@DATABASE
@pytest.mark.anyio
async def test_the_position_of_a_commit_comes_with_it(database: Database, notes_url: str) -> None:
    client = ClientPosition()
    leave = enter_client(client)
    async with database.engine.begin() as connection:
        await dock(connection, TABLE)
    created = client.written
    async with database.engine.begin() as connection:
        await dock(connection, "SELECT 1")
    async with database.read_engine.begin() as connection:
        await dock(connection, "SELECT 1")
    assert created is not None
    assert client.written == created
    async with database.engine.begin() as connection:
        await dock(connection, "SET LOCAL synchronous_commit = off", "INSERT INTO quay VALUES (1)")
    leave()
    assert client.written is not None
    assert client.written > created
    with psycopg.connect(notes_url) as server:
        row = server.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    assert WalPosition.of_server(created.timeline, row[0]) >= client.written


@DATABASE
@pytest.mark.anyio
async def test_a_commit_that_is_refused_has_no_position(database: Database) -> None:
    client = ClientPosition()
    async with database.engine.begin() as connection:
        await dock(connection, TABLE)
    leave = enter_client(client)
    with pytest.raises(IntegrityError, match="berth_id_key"):
        async with database.engine.begin() as connection:
            await dock(connection, "INSERT INTO berth VALUES (1), (1)")
    assert (client.newest, client.written) == (None, None)
    async with database.engine.begin() as connection:  # and the connection is good
        await dock(connection, "INSERT INTO berth VALUES (1)")
    assert client.written is not None
    leave()
