"""An endpoint of another room that asks for Django's ORM: both ORMs, one transaction."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from tests.admin import both
from tests.admin.house import House
from trivet.asgi.root import build_root
from trivet.events.wake_up import WakeUp

pytestmark = pytest.mark.anyio

COUNT = "SELECT count(*) FROM stock_item"
THERE = 3
"""Items that are there before."""


@pytest.fixture
def built_endpoints(built_house: House) -> House:
    mounts = [*built_house.app.mounts, both.mount()]
    return House(built_house.platform, build_root(built_house.platform, mounts))


@pytest.fixture
async def endpoints(built_endpoints: House) -> AsyncIterator[House]:
    """The house with the room of `tests.admin.both` beside the admin."""
    yield built_endpoints
    await built_endpoints.platform.database.close()


async def names(house: House) -> set[str]:
    rows = await house.rows("SELECT name FROM stock_item WHERE id > 3")
    return {name for (name,) in rows}


async def test_each_orm_sees_the_others_work_and_all_of_it_is_committed_and_told(
    endpoints: House,
) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post("/both/add?name=both")
    assert response.json() == ["Both one", "Both two"]
    assert await names(endpoints) == {"Both one", "Both two"}
    assert [told.name for told in await endpoints.told("stock:tools")] == ["Both one"]
    assert [told.name for told in await endpoints.told("stock:toys")] == ["Both two"]
    renamed = "SELECT first_name FROM accounts_user WHERE username = 'guest'"
    assert await endpoints.value(renamed) == "Renamed"


async def test_its_commit_wakes_the_delivery(endpoints: House) -> None:
    woken: list[dict[str, int]] = []
    leave = endpoints.platform.broker.subscribe(WakeUp, lambda m: woken.append(m.offsets))
    async with endpoints.client() as visitor:
        await visitor.http.post("/both/add?name=both")
    leave()
    assert woken == [{"stock:tools": 1, "stock:toys": 1}]


@pytest.mark.parametrize(("status", "kept"), [(200, 2), (302, 2), (400, 0), (500, 0)])
async def test_the_status_decides_for_both(endpoints: House, status: int, kept: int) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post(f"/both/add?name=both&status={status}")
    assert response.status_code == status
    assert await endpoints.value(COUNT) == THERE + kept
    renamed = "SELECT count(*) FROM accounts_user WHERE first_name = 'Renamed'"
    assert await endpoints.value(renamed) == (1 if kept else 0)


async def test_an_exception_rolls_back_both(endpoints: House) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post("/both/add_and_object")
    assert response.status_code == 409
    assert await endpoints.value(COUNT) == THERE


async def test_run_follows_to_djangos_connection(endpoints: House) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post("/both/follow")
    assert response.json() == THERE + 2


@pytest.mark.parametrize(
    ("first", "sentence"),
    [
        ("session", "has begun on the async session"),
        ("django", "stands on Django's connection since its first run_with_django"),
    ],
)
async def test_two_transactions_in_one_request_are_refused_with_a_sentence(
    endpoints: House, first: str, sentence: str
) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post(f"/both/mix?first={first}")
    assert response.status_code == 500
    assert sentence in response.json()
    assert await endpoints.value(COUNT) == THERE


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("missing", 404, "not-found"),
        ("refused", 422, "invalid"),
        ("twice", 409, "integrity"),
        ("referred", 409, "referred-to"),
    ],
)
async def test_djangos_errors_are_answered_by_their_meaning(
    endpoints: House, how: str, status: int, code: str
) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post(f"/both/fail?how={how}")
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_swallowed_error_of_the_database_is_never_a_success(
    endpoints: House, database_kind: str
) -> None:
    async with endpoints.client() as visitor:
        visitor.may_fail()
        response = await visitor.http.post("/both/swallow_error")
    # SQLite goes on after a failed statement, and what was written is there.
    expected = (201, THERE + 2) if database_kind == "sqlite" else (500, THERE)
    assert (response.status_code, await endpoints.value(COUNT)) == expected


async def test_a_safe_method_cannot_write_with_django_either(endpoints: House) -> None:
    async with endpoints.client() as visitor:
        visitor.may_fail()
        response = await visitor.http.get("/both/add?name=both")
    assert response.status_code == 500
    assert await endpoints.value(COUNT) == THERE


async def test_a_stream_begins_after_the_commit_and_work_behind_it_has_its_own_unit(
    endpoints: House,
) -> None:
    async with endpoints.client() as visitor:
        response = await visitor.http.post("/both/stream")
    assert response.text.startswith("begun: this unit of work ended when the response began")
    assert await names(endpoints) == {
        f"{word} {number}" for word in ("Streamed", "Background") for number in ("one", "two")
    }


async def test_a_client_that_leaves_gives_thread_and_connection_back(endpoints: House) -> None:
    waiting: Any = endpoints.app.mounts[-1].app
    async with endpoints.client() as visitor, anyio.create_task_group() as group:
        group.start_soon(visitor.http.post, "/both/wait")
        await waiting.waiting.wait()
        group.cancel_scope.cancel()
    assert await endpoints.value(COUNT) == THERE
    await nobody_stays(endpoints)


async def test_two_hundred_requests_at_forty_leave_no_connection_and_no_turn_taken(
    endpoints: House,
) -> None:
    limit = anyio.CapacityLimiter(40)

    async with endpoints.client() as visitor:

        async def one(number: int) -> int:
            async with limit:
                answer = await visitor.http.post(f"/both/add?name=n{number}")
                return answer.status_code

        statuses = await asyncio.gather(*(one(number) for number in range(200)))
    assert set(statuses) == {201}
    assert await endpoints.value(COUNT) == THERE + 400
    await nobody_stays(endpoints)


async def nobody_stays(house: House) -> None:
    """No thread of these transactions is alive, no turn taken, and no connection lent."""
    import threading

    from django.db import connection

    from trivet_admin.transactions import ThreadedTransactions

    django = house.platform.django
    assert isinstance(django, ThreadedTransactions)
    semaphore = django.limiter._semaphore
    assert semaphore is not None
    assert semaphore.value == django.limiter.limit
    with anyio.fail_after(30):
        while any(each.name.startswith("trivet-django") for each in threading.enumerate()):  # noqa: ASYNC110  # no event tells of a thread's end
            await anyio.sleep(0.01)
    pool: Any = getattr(connection, "pool", None)
    if pool is not None:
        stats = pool.get_stats()
        assert stats["pool_available"] == stats["pool_size"] <= django.limiter.limit
