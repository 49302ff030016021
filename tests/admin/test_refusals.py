"""What the database refuses in the admin is a page that says so, and never a redirect."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from tests.admin.constraints import defer_a_constraint
from tests.admin.house import House

pytestmark = pytest.mark.anyio

MIXED = 300
ITEM = "SELECT quantity FROM stock_item WHERE id = 1"


async def test_a_commit_that_fails_is_a_page_with_409_and_no_redirect(
    house: House, database_kind: str
) -> None:
    await defer_a_constraint(house, database_kind)
    async with house.visit() as boss:
        page = await boss.edit("/admin/stock/item/1/change/", quantity="6")
    assert page.status == 409
    assert "contradicts data" in page.words
    assert "location" not in page.headers
    assert await house.value(ITEM) == 5
    assert await house.told() == []


async def test_whoever_finds_no_turn_in_time_gets_503_and_may_come_back(house: House) -> None:
    from trivet_admin.transactions import ThreadedTransactions

    django = house.platform.django
    assert isinstance(django, ThreadedTransactions)
    django.limiter._seconds = 0.05
    for _ in range(django.limiter.limit):
        await django.limiter.acquire()
    async with house.client() as visitor:
        refused = await visitor.http.get("/admin/login/")
        alive = await visitor.http.get("/healthz")
        django.limiter.release()
        served = await visitor.http.get("/admin/login/")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert (alive.status_code, served.status_code) == (200, 200)


async def test_anonymous_requests_that_touch_no_data_open_no_connection(house: House) -> None:
    from django.db.backends.signals import connection_created

    opened: list[Any] = []

    def note(**_: Any) -> None:
        opened.append(1)

    connection_created.connect(note)
    try:
        async with house.client() as visitor:
            for path in (
                "/admin/login/",
                "/healthz",
                "/admin/",
                "/nowhere",
            ):
                await visitor.http.get(path)
    finally:
        connection_created.disconnect(note)
    assert opened == []
    assert house.platform.database.engine.pool.status().count("Current Checked out connections: 0")
    assert house.platform.database.engine.pool.checkedin() == 0  # type: ignore[attr-defined]  # QueuePool


@pytest.mark.parametrize("how", ["commit", "rollback"])
async def test_a_streamed_page_may_read_and_not_write(house: House, how: str) -> None:
    def work() -> str:
        from django.apps import apps
        from django.db import connection, connections
        from django.db.transaction import TransactionManagementError
        from django.http import StreamingHttpResponse
        from django.test import RequestFactory

        from trivet_admin.middleware import UnitMiddleware

        item: Any = apps.get_model("stock", "Item")
        from django.contrib.auth import get_user_model

        users: Any = get_user_model().objects

        def body() -> Iterator[str]:
            yield str(item.objects.count())
            writes: list[Callable[[], Any]] = [
                lambda: item.objects.update(quantity=1),
                lambda: users.update(first_name="x"),
            ]
            for write in writes:
                try:
                    write()
                except TransactionManagementError as error:
                    yield f" {error}"

        def view(_request: Any) -> Any:
            item.objects.filter(pk=1).update(quantity=9)
            return StreamingHttpResponse(body(), status=200 if how == "commit" else 400)

        try:
            response: Any = UnitMiddleware(view)(RequestFactory().post("/"))
            told = response.getvalue().decode()
            response.close()
            assert not connection.is_streaming  # type: ignore[attr-defined]  # our backend
            return str(told)
        finally:
            connections.close_all()

    told = await anyio.to_thread.run_sync(work)
    assert told.startswith("3 this response is being streamed")
    assert told.count("this response is being streamed") == 2
    assert await house.value(ITEM) == (9 if how == "commit" else 5)


def _have_all_the_time(house: House) -> None:
    """That a wait has an end is another test's: here a busy machine may take longer."""
    from trivet_admin.transactions import ThreadedTransactions

    django = house.platform.django
    assert isinstance(django, ThreadedTransactions)
    django.limiter._seconds = 120.0


async def test_mixed_writes_through_both_doors_all_succeed(built_mixed: House) -> None:
    """Half through the API's session, half as saved forms' transactions."""
    house = built_mixed
    _have_all_the_time(house)

    def by_django(_db: Any, _actor: Any) -> None:
        from django.apps import apps
        from django.db.models import F

        item: Any = apps.get_model("stock", "Item")
        item.objects.filter(pk=1).update(quantity=F("quantity") + 1)

    async def by_session() -> None:
        async with house.platform.database.unit() as session:
            from tests.admin.stock.models import Item

            found = await session.get_one(Item, 1, with_for_update=True)
            found.quantity += 1

    pool: Any = house.platform.database.engine.pool
    sessions = anyio.CapacityLimiter(pool.size())
    threads = anyio.CapacityLimiter(16)  # more than there are, so that some wait for one

    async def one(number: int) -> None:
        if number % 2:
            async with threads:
                await house.platform.run_with_django(by_django)
        else:
            async with sessions:
                await by_session()

    async with asyncio.TaskGroup() as tasks:
        for number in range(MIXED):
            tasks.create_task(one(number))
    assert await house.value(ITEM) == 5 + MIXED
    assert [told.offset for told in await house.told()] == list(range(1, MIXED + 1))


@pytest.fixture
async def built_mixed(built_house: House) -> AsyncIterator[House]:
    yield built_house
    await built_house.platform.database.close()
