"""A database that can only be read: every door says so, and writes again as soon as it can."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.admin.house import PASSWORD, House
from tests.services.read_only import read_only
from trivet.data import outages
from trivet.data.errors import explain
from trivet.errors import Unavailable

pytestmark = pytest.mark.anyio

QUANTITY = "SELECT quantity FROM stock_item WHERE id = 1"
SENTENCE = "can only be read"


@pytest.fixture
def disk() -> Iterator[ExitStack]:
    """What is entered here ends with the test, or before."""
    with ExitStack() as stack:
        yield stack


async def close_connections(house: House) -> None:
    """SQLite's would go on with the header of the file that they have read."""
    await house.platform.database.close()


async def test_every_door_answers_503_while_the_database_is_read_only_and_writes_afterwards(
    house: House, database_url: str, disk: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "REMEMBERED_SECONDS", 30.0)  # however slow the machine is
    async with house.visit() as boss, house.client() as visitor:
        visitor.may_fail()
        edit = await boss.get("/admin/stock/item/1/change/")
        form = await visitor.get("/admin/login/")
        await close_connections(house)
        await asyncio.to_thread(disk.enter_context, read_only(database_url))

        page = await until_read_only(lambda: boss.send(edit, quantity="6"))
        assert page.headers["retry-after"] == "1"
        login = await until_read_only(
            lambda: visitor.send(form, username="boss", password=PASSWORD)
        )
        assert login.headers["retry-after"] == "1"
        ready = (await visitor.http.get("/readyz")).json()["checks"]
        assert ready["database"] == "read-only"
        assert (await boss.get("/admin/stock/item/")).status == 200
        assert await house.value(QUANTITY) == 5

        await asyncio.to_thread(disk.close)
        page = await boss.send(edit, quantity="6")
        while page.status == 503:  # a connection that still knows the old state, for each pool
            page = await boss.send(edit, quantity="6")
        assert page.status == 302
        assert await house.value(QUANTITY) == 6


async def until_read_only(send: Any) -> Any:
    """The first answer of a connection that was made since; one that was cut tells of that."""
    page = await send()
    while SENTENCE not in page.words:
        assert page.status == 503, page.words
        page = await send()
    assert page.status == 503
    return page


LOCKING = {"postgresql": "SELECT id FROM stock_item FOR UPDATE"}
"""What a unit that only reads may not do, though it looks like reading. (SQLite has no such.)"""


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("verb", ["run", "run_with_django"])
async def test_a_unit_of_ours_that_only_reads_does_not_blame_the_database(
    house: House, verb: str
) -> None:
    def lock(db: Session, _actor: object) -> None:
        db.execute(text(LOCKING["postgresql"]))

    with pytest.raises(Exception, match="read-only transaction") as caught:
        async with house.platform.open_unit(read_only=True) as unit:
            await getattr(unit, verb)(lock)
    assert outages.find_outage(caught.value) is None
    assert await house.platform.database.ping() == ""


LIMITS = ["idle_in_transaction_session_timeout", "transaction_timeout"]


def limit(db: Session, _actor: object, setting: str) -> None:
    db.execute(text(f"SET LOCAL {setting} = '50ms'"))


def ask(db: Session, _actor: object) -> None:
    db.execute(text("SELECT 1"))


async def linger(house: House, setting: str) -> None:
    async with house.platform.open_unit() as unit:
        await unit.run(limit, setting)
        await asyncio.sleep(0.5)
        await unit.run(ask)


async def linger_with_django(house: House, setting: str) -> None:
    def work(db: Session, actor: object) -> None:
        limit(db, actor, setting)
        time.sleep(0.5)
        ask(db, actor)

    async with house.platform.open_unit() as unit:
        await unit.run_with_django(work)


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("setting", LIMITS)
@pytest.mark.parametrize("with_django", [False, True], ids=["api", "django"])
async def test_a_transaction_that_the_server_ended_is_an_outage_at_every_door(
    house: House, setting: str, with_django: bool
) -> None:
    with pytest.raises(Exception, match=r".") as caught:
        await (linger_with_django if with_django else linger)(house, setting)
    explained = explain(caught.value)
    assert isinstance(explained, Unavailable)
    assert explained.detail == "The database ended what took too long. Try again later."


@pytest.mark.database("postgresql")
def test_one_connection_that_met_a_read_only_server_takes_the_pools_others_along(
    shelves: None,
) -> None:
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    from django.db import connection

    together = Barrier(4)

    def ask(statement: str = "SELECT pg_backend_pid()", *, wait: bool = False) -> Any:
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                if wait:
                    together.wait(30)
                return cursor.fetchone()[0]
        finally:
            connection.close()

    def write_on_a_reader() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET default_transaction_read_only = on")
        ask("SELECT nextval('stock_item_id_seq')")

    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(ask, wait=True) for _ in range(4)]
        old = {each.result() for each in asked}
        with pytest.raises(Exception, match="read-only transaction"):
            threads.submit(write_on_a_reader).result()
        asked = [threads.submit(ask, wait=True) for _ in range(4)]
        new = {each.result() for each in asked}
    assert len(old) == 4
    assert not old & new


def test_a_session_that_cannot_be_saved_is_not_taken_for_one_that_is_gone(
    shelves: None, database_url: str
) -> None:
    """Django would answer 400, and say that the user has logged out meanwhile."""
    from django.db import DatabaseError, connection

    from trivet_admin.auth.session_store import SessionStore

    session = SessionStore()
    session.save()
    connection.close()
    if hasattr(connection, "close_pool"):
        connection.close_pool()
    session["seen"] = True
    with read_only(database_url), pytest.raises(DatabaseError) as caught:
        session.save()
    connection.close()
    assert outages.find_outage(caught.value) is outages.READ_ONLY
