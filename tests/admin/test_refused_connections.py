"""Why PostgreSQL refuses a connection: both ORMs' errors give the reason, in one word."""

from collections.abc import Iterator
from typing import Any, cast

import psycopg
import pytest
from sqlalchemy import create_engine, make_url

from tests.admin.asking import ask_django
from tests.admin.house import House, engine_of, make_settings
from trivet.data.engine import async_url
from trivet.data.errors import explain, explain_driver
from trivet.data.outages import find_outage
from trivet.features import Feature
from trivet_admin.backends.postgresql import base
from trivet_admin.errors.to_trivet import explain as explain_django

pytestmark = pytest.mark.database("postgresql")


@pytest.fixture
def url_without_connections(stock: tuple[Feature, ...], database_url: str) -> Iterator[str]:
    """The address of a role that may have none, as when all are taken: a superuser always may."""
    engine = engine_of(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE poor LOGIN CONNECTION LIMIT 0")
    yield make_url(database_url).set(username="poor").render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE poor")
    engine.dispose()


def connect_sqlalchemy(url: str) -> None:
    with create_engine(async_url(url)).connect():
        pass


def connect_django(url: str) -> None:
    ask_django(make_settings(url), "SELECT 1")


@pytest.mark.parametrize("connect", [connect_sqlalchemy, connect_django])
def test_a_server_without_a_free_connection_is_told_from_one_that_is_away(
    connect: Any, url_without_connections: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "POOL_TIMEOUT_SECONDS", 0.1)
    with pytest.raises(Exception, match=r"too many connections|couldn't get") as caught:
        connect(url_without_connections)
    outage = find_outage(caught.value)
    assert outage is not None
    assert outage.state == "out of connections"
    explained = explain(caught.value) or explain_django(caught.value)
    assert explained is not None
    assert (explained.status, explained.detail) == (503, outage.detail)


@pytest.fixture
def poor_django(house: House, url_without_connections: str) -> Iterator[House]:
    """A house whose Django may have no connection."""
    from django.db import connection, connections

    account = connections.settings["default"]
    before = account["USER"]
    for user in (str(make_url(url_without_connections).username), before):
        connections.close_all()
        cast("Any", connection).close_pool()
        account["USER"] = user
        if user != before:
            yield house


@pytest.mark.anyio
async def test_the_probe_says_why_the_admin_gets_no_connection(poor_django: House) -> None:
    async with poor_django.client() as visitor:
        ready = await visitor.http.get("/readyz")
    assert ready.status_code == 503
    assert ready.json()["checks"]["admin"] == "out of connections"


SENTENCES = (
    ("FATAL:  the database system is starting up", "starting up"),
    ("FATAL:  the database system is shutting down", "shutting down"),
    ("FATAL:  the database system is in recovery mode", "in recovery"),
    ("FATAL:  the database system is not yet accepting connections", "in recovery"),
    ("FATAL:  the database system is not accepting connections", "in recovery"),
    ("FATAL:  sorry, too many clients already", "out of connections"),
    ("FATAL:  remaining connection slots are reserved for roles", "out of connections"),
    ("FATAL:  no more connections allowed (max_client_conn)", "out of connections"),
    ("session is read-only", "read-only"),
    ("server is in hot standby mode", "read-only"),
    ("Connection refused", "does not answer"),
    ("FATAL:  das Datenbanksystem startet", "does not answer"),
)
"""What libpq has of a refusal: the server's sentence, without its SQLSTATE."""


@pytest.mark.parametrize(("sentence", "state"), SENTENCES)
def test_the_sentence_of_a_refusal_is_read(sentence: str, state: str) -> None:
    said = f'connection failed: connection to server at "127.0.0.1", port 5432 failed: {sentence}'
    outage = find_outage(psycopg.OperationalError(said))
    assert outage is not None
    assert outage.state == state


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (psycopg.errors.SerializationFailure("could not serialize"), "conflict of transactions"),
        (psycopg.errors.DeadlockDetected("deadlock detected"), "deadlock"),
    ],
)
def test_a_conflict_of_two_requests_is_not_said_to_be_a_database_that_is_away(
    error: psycopg.Error, state: str
) -> None:
    outage = find_outage(error)
    assert outage is not None
    assert outage.state == state
    meaning = explain_driver(error)
    assert meaning is not None
    assert (meaning.status, meaning.code) == (503, "database-unavailable")
    assert "Another request changed the same data" in meaning.detail


def test_a_full_disk_and_a_bad_statement_are_told_apart() -> None:
    full = find_outage(psycopg.errors.DiskFull("could not extend file"))
    assert full is not None
    assert (full.state, full.spoils) == ("out of disk space", False)
    assert find_outage(psycopg.errors.SyntaxError("session is read-only")) is None
    assert find_outage(psycopg.errors.UniqueViolation("too many clients")) is None
    assert find_outage(ValueError("the database system is starting up")) is None
