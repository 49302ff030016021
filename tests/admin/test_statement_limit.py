"""No statement of a request takes longer than the setting allows, at whatever door and by whichever
ORM; and the admin says so on a page."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from sqlalchemy import make_url, text

from tests.admin.doors import DOORS
from tests.admin.grant_changes import with_connections
from tests.admin.house import House, build_house, make_settings
from tests.services.pooler import pooler_for
from tests.services.slow import BRIEF_SECONDS, ENDLESS, SLOW, count_endlessly, count_slowly
from trivet.features import Feature
from trivet_admin.errors.to_trivet import explain_database
from trivet_deploy.unit import run_in_unit

pytestmark = pytest.mark.anyio

ITEMS = "/admin/stock/item/"
MILLISECONDS = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"


@pytest.fixture
async def limited(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> AsyncIterator[House]:
    house = await asyncio.to_thread(
        build_house, make_settings(database_url, statement_seconds=0.5), stock
    )
    yield house
    await house.platform.database.close()


@pytest.fixture
async def brief(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> AsyncIterator[House]:
    house = await asyncio.to_thread(
        build_house, make_settings(database_url, statement_seconds=BRIEF_SECONDS), stock
    )
    yield house
    await house.platform.database.close()


@pytest.mark.parametrize("door", [each for each in DOORS if each != "command"])
async def test_no_door_lets_a_statement_run_on(
    limited: House, door: str, json_log: Callable[[], str]
) -> None:
    with pytest.raises(Exception) as stopped:  # noqa: PT011  # each door has its own
        await DOORS[door](limited, count_endlessly)
    explained = explain_database(stopped.value)
    assert explained is not None
    assert explained.code == "statement-limit"
    assert json_log().count("TRIVET_STATEMENT_SECONDS") == 1
    await DOORS[door](limited, lambda db: db.execute(text("SELECT 1")))


async def test_a_command_has_no_limit(database_url: str, shelves: None) -> None:
    settings = make_settings(database_url, statement_seconds=BRIEF_SECONDS)
    run = partial(run_in_unit, settings, lambda db, _: count_slowly(db))
    # A thread without the context of this task, as a process has none.
    assert await asyncio.get_running_loop().run_in_executor(None, run) == 3 * 10**6


async def test_nor_has_djangos_orm_where_nothing_is_served(stock: tuple[Feature, ...]) -> None:
    """As in `trivet django shell`, which mounts nothing."""
    from trivet_admin import runtime

    runtime._runtime.platform = None
    assert await asyncio.to_thread(with_connections, lambda: run_in_django(SLOW)) == 3 * 10**6


def run_in_django(sql: str) -> Any:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


@contextmanager
def endless_lists(on: str) -> Iterator[None]:
    """The list of items asks for what has no end: when it is opened, or in an action."""
    from django.contrib import admin
    from django.http import HttpRequest

    from tests.admin.stock.admin import ItemAdmin
    from tests.admin.stock.models import Item
    from trivet_admin import unit_session
    from trivet_admin.mirror.registry import mirror

    class Endless(ItemAdmin):
        actions = ("count",)

        def get_queryset(self, request: HttpRequest) -> Any:
            if on == request.method:
                run_in_django(ENDLESS)
            return super().get_queryset(request)

        @admin.action(description="Count")
        def count(self, request: HttpRequest, queryset: Any) -> None:
            queryset.update(quantity=99)
            if on == "service":
                unit_session(request).execute(text(ENDLESS))

    item = mirror(Item)
    admin.site.unregister(item)
    admin.site.register(item, Endless)
    yield


@pytest.mark.parametrize("on", ["GET", "POST", "service"])
async def test_a_page_over_the_limit_says_so_and_changes_nothing(limited: House, on: str) -> None:
    with endless_lists(on):
        async with limited.visit() as boss:
            if on == "GET":
                page = await boss.get(ITEMS)
            else:
                page = await boss.edit(ITEMS, action="count", _selected_action="1")
    assert page.status == 503
    assert page.headers["retry-after"] == "60"
    assert "The database took too long for this." in page.words
    assert await limited.value("SELECT quantity FROM stock_item WHERE id = 1") == 5


@pytest.mark.database("sqlite")
async def test_a_stream_may_rest_while_its_client_reads(brief: House) -> None:
    from django.db import connection

    def stream() -> Any:
        raw: Any = connection
        raw.is_streaming = True
        return run_in_django(SLOW)

    def ask() -> Any:
        raw: Any = connection
        raw.is_streaming = False
        return run_in_django(SLOW)

    assert await asyncio.to_thread(with_connections, stream) == 3 * 10**6
    with pytest.raises(Exception, match="interrupted"):
        await asyncio.to_thread(with_connections, ask)


@pytest.mark.database("postgresql")
async def test_behind_a_pooler_django_sends_the_limit_with_each_transaction(
    limited: House, database_url: str
) -> None:
    """A pooler tells its clients a process id that is none of the server's."""
    from django.db import DEFAULT_DB_ALIAS, Error, connections

    server = make_url(database_url)

    def look(port: int) -> list[Any]:
        wrapper: Any = connections[DEFAULT_DB_ALIAS]
        other = {**wrapper.settings_dict, "PORT": str(port)}
        behind = type(wrapper)(other, alias="behind")
        try:
            found: list[Any] = [_value(behind)]
            behind.set_autocommit(False)
            found.append(_value(behind))
            behind.rollback()
            behind.set_autocommit(True)
            with pytest.raises(Error) as stopped, behind.cursor() as cursor:
                cursor.execute(ENDLESS)
            found.append(getattr(stopped.value.__cause__, "sqlstate", None))
            raw = behind.connection
            found.append(raw.execute(MILLISECONDS).fetchone()[0])
        finally:
            behind.close()
            behind.close_pool()
        return found

    def _value(behind: Any) -> Any:
        with behind.cursor() as cursor:
            cursor.execute(MILLISECONDS)
            return cursor.fetchone()[0]

    async with pooler_for(server.host, server.port) as port:
        found = await asyncio.to_thread(with_connections, lambda: look(port))
    assert found == ["500", "500", "57014", "0"]
