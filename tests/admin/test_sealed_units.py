"""No service commits or rolls back, whichever door its unit of work came through."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from tests.admin.doors import DOORS, Door
from tests.admin.grant_changes import with_connections
from tests.admin.house import House
from tests.admin.stock.models import Item

pytestmark = pytest.mark.anyio

SMUGGLED = "SELECT count(*) FROM stock_item WHERE name = 'Smuggled'"

VERBS: dict[str, Callable[[Session], object]] = {
    "commit": lambda db: db.commit(),
    "roll back": lambda db: db.rollback(),
    "close": lambda db: db.close(),
    "reset": lambda db: db.reset(),
    "invalidate": lambda db: db.invalidate(),
    "prepare": lambda db: db.prepare(),
    "begin": lambda db: db.begin(),
    "leave as a context manager": lambda db: db.__exit__(None, None, None),
    "the transaction's commit": lambda db: _transaction(db).commit(),
    "the transaction's rollback": lambda db: _transaction(db).rollback(),
    "the connection's commit": lambda db: db.connection().commit(),
    "the connection's rollback": lambda db: db.connection().rollback(),
    "COMMIT in SQL": lambda db: db.execute(text("commit /* it */ ;")),
    "ROLLBACK in SQL": lambda db: db.connection().exec_driver_sql("-- now\nROLLBACK WORK"),
    "END in SQL": lambda db: db.execute(text("END")),
}


def _transaction(db: Session) -> Any:
    found = db.get_transaction()
    assert found is not None
    return found


def smuggle(verb: Callable[[Session], object], refusals: list[BaseException]) -> Callable[..., Any]:
    """A service that writes, tries to end the transaction, swallows what it hears and fails."""

    def service(db: Session) -> None:
        db.add(Item(name="Smuggled", category_id="tools"))
        db.flush()
        try:
            verb(db)
        except RuntimeError as error:
            refusals.append(error)
        raise LookupError

    return service


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("door", DOORS)
async def test_no_service_ends_the_transaction_it_works_in(
    house: House, door: str, verb: str
) -> None:
    refusals: list[BaseException] = []
    open_door: Door = DOORS[door]
    with pytest.raises(LookupError):
        await open_door(house, smuggle(VERBS[verb], refusals))
    assert "a service may not" in str(refusals[0])
    assert await house.value(SMUGGLED) == 0
    assert await house.told() == []


@pytest.mark.parametrize("door", DOORS)
async def test_what_the_service_leaves_is_committed_and_told_with_its_savepoints(
    house: House, door: str
) -> None:
    def service(db: Session) -> None:
        with db.begin_nested():
            db.add(Item(name="Smuggled", category_id="tools"))
        lost = db.begin_nested()
        db.add(Item(name="Lost", category_id="tools"))
        db.flush()
        lost.rollback()

    await DOORS[door](house, service)
    assert await house.value(SMUGGLED) == 1
    assert [told.name for told in await house.told()] == ["Smuggled"]


ASYNC_VERBS: dict[str, Callable[[AsyncSession], Awaitable[object]]] = {
    "commit": lambda session: session.commit(),
    "roll back": lambda session: session.rollback(),
    "close": lambda session: session.close(),
    "reset": lambda session: session.reset(),
    "invalidate": lambda session: session.invalidate(),
    "begin": lambda session: session.begin().start(),
    "leave as a context manager": lambda session: session.__aexit__(None, None, None),
}


@pytest.mark.parametrize("verb", ASYNC_VERBS)
async def test_nor_does_the_async_session_of_a_unit(house: House, verb: str) -> None:
    async def smuggle() -> None:
        async with house.platform.open_unit() as unit:
            unit.session.add(Item(name="Smuggled", category_id="tools"))
            await unit.session.flush()
            await ASYNC_VERBS[verb](unit.session)

    with pytest.raises(RuntimeError, match="a service may not"):
        await smuggle()
    assert await house.value(SMUGGLED) == 0


def _cursor(sql: str) -> Callable[[Any], object]:
    return lambda connection: connection.cursor().execute(sql)


DJANGO_VERBS: dict[str, Callable[[Any], object]] = {
    "commit": lambda connection: connection.commit(),
    "roll back": lambda connection: connection.rollback(),
    "autocommit": lambda connection: connection.set_autocommit(True),
    "COMMIT in SQL": _cursor("COMMIT"),
    "ROLLBACK in SQL": _cursor("ROLLBACK"),
    "END in SQL": _cursor("END"),
}


@pytest.mark.parametrize("verb", DJANGO_VERBS)
@pytest.mark.parametrize(
    "door", ["request_with_django", "unit_of_its_own_with_django", "view_of_the_admin"]
)
async def test_nor_does_a_service_by_django_and_what_it_did_stays_whole(
    house: House, door: str, verb: str
) -> None:
    """The refusal is swallowed here: what came before it is committed, and is told."""
    refusals: list[Exception] = []

    def service(db: Session) -> None:
        from django.db import Error, connection

        db.add(Item(name="Smuggled", category_id="tools"))
        db.flush()
        try:
            DJANGO_VERBS[verb](connection)
        except Error as error:
            refusals.append(error)

    await DOORS[door](house, service)
    assert len(refusals) == 1
    assert await house.value(SMUGGLED) == 1
    assert [told.name for told in await house.told()] == ["Smuggled"]


@pytest.mark.parametrize("door", ["request_with_django", "unit_of_its_own_with_django"])
async def test_a_rollback_that_a_service_asks_django_for_is_no_success(
    house: House, door: str
) -> None:
    def service(db: Session) -> None:
        from django.db import transaction

        db.add(Item(name="Smuggled", category_id="tools"))
        transaction.set_rollback(True)

    # An endpoint that has answered 201 learns nothing of it, but its client gets a 500.
    with pytest.raises(Exception, match=r"may not roll back|answered 500"):
        await DOORS[door](house, service)
    assert await house.value(SMUGGLED) == 0


@pytest.mark.parametrize("door", DOORS)
async def test_a_failed_flush_in_a_savepoint_is_no_end_of_the_transaction(
    house: House, door: str
) -> None:
    from sqlalchemy.exc import IntegrityError

    def service(db: Session) -> None:
        db.add(Item(name="Smuggled", category_id="tools"))
        with suppress(IntegrityError), db.begin_nested():
            db.add(Item(name="Twin", sku="S1", category_id="tools"))
            db.flush()
        db.add(Item(name="Smuggled", category_id="toys"))

    await DOORS[door](house, service)
    assert await house.value(SMUGGLED) == 2


async def test_a_view_is_given_the_same_class_as_an_endpoint(house: House) -> None:
    from trivet import UnitOfWork

    seen: list[type] = []

    def view() -> None:
        from django.db import transaction
        from django.http import HttpRequest

        from trivet_admin import unit_of

        with transaction.atomic():
            unit = unit_of(HttpRequest())
            assert not unit.read_only
            assert unit.actor.kind == "system"
            assert unit.published == {}
            assert unit.run(lambda db, _: db is unit.session)
            assert unit.run_with_django(lambda db, _: db is unit.session)
            seen.append(type(unit))

    await asyncio.to_thread(with_connections, view)
    async with house.platform.open_unit() as unit:
        unit.session.add(Item(name="Told", category_id="tools"))
        seen.append(type(unit))
    assert unit.published == {"stock:tools": 1}
    assert seen == [UnitOfWork, UnitOfWork]


async def test_django_and_the_platform_have_one_capture(house: House) -> None:
    from trivet_admin import runtime

    assert runtime.capture() is house.platform.capture
    assert house.platform.database.capture is house.platform.capture
