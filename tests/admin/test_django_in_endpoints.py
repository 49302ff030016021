"""Django's ORM in an endpoint, the way everybody writes it first: refused, with the way to do it.

What it would cost otherwise is tried too: connections that never come back, and with them the
admin, the logins and ``/readyz``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.admin.house import House
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root

pytestmark = pytest.mark.anyio


def users() -> Any:
    from django.contrib.auth import get_user_model

    return get_user_model().objects


def count() -> int:
    found: int = users().count()
    return found


def in_atomic() -> int:
    from django.db.transaction import atomic

    with atomic():
        return count()


def rename() -> int:
    changed: int = users().filter(username="guest").update(first_name="Renamed")
    return changed


def iterate() -> int:
    return sum(1 for _ in users().iterator())


async def count_by_asgiref() -> int:
    found: int = await users().acount()
    return found


SYNC: dict[str, Callable[[], int]] = {
    each.__name__: each for each in (count, in_atomic, rename, iterate)
}


async def ask(request: Request) -> Response:
    """One of these ways: on a thread, on the event loop itself, by Django's async interface."""
    how = request.query_params["how"]
    match request.query_params["where"]:
        case "thread":
            found = await anyio.to_thread.run_sync(SYNC[how])
        case "loop":
            found = SYNC[how]()
        case _:
            found = await count_by_asgiref()
    return JSONResponse(found)


async def ask_later(_request: Request) -> Response:
    return JSONResponse({}, background=BackgroundTask(count))


@pytest.fixture
def built_endpoints(built_house: House) -> House:
    routes = [Route("/ask", ask, methods=["GET", "POST"]), Route("/later", ask_later)]
    more = MountedApp(name="first", prefix="/first", app=Router(routes), lifespan=False)
    root = build_root(built_house.platform, [*built_house.app.mounts, more])
    return House(built_house.platform, root)


@pytest.fixture
async def endpoints(built_endpoints: House) -> AsyncIterator[House]:
    """The house with a room whose endpoints use Django's ORM directly."""
    yield built_endpoints
    await built_endpoints.platform.database.close()


WAYS = [("thread", how) for how in SYNC] + [("loop", how) for how in SYNC] + [("async", "count")]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(("where", "how"), WAYS)
async def test_it_is_refused_with_the_way(
    endpoints: House, where: str, how: str, method: str, json_log: Callable[[], str]
) -> None:
    async with endpoints.client() as visitor:
        answer = await visitor.http.request(method, f"/first/ask?where={where}&how={how}")
    assert answer.status_code == 500
    assert "directly in a request of first" in json_log()
    assert "await unit.run_with_django(function)" in json_log()
    renamed = "SELECT first_name FROM accounts_user WHERE username = 'guest'"
    assert await endpoints.value(renamed) != "Renamed"


async def test_work_behind_the_response_is_refused_as_well(
    endpoints: House, json_log: Callable[[], str]
) -> None:
    async with endpoints.client() as visitor:
        answer = await visitor.http.get("/first/later")
    assert answer.status_code == 200
    assert "await platform.run_with_django(function)" in json_log()


@pytest.mark.usefixtures("json_log")
async def test_forty_such_requests_at_once_cost_nobody_anything(endpoints: House) -> None:
    async with endpoints.client() as visitor:
        asked = (visitor.http.get("/first/ask?where=thread&how=count") for _ in range(40))
        statuses = {answer.status_code for answer in await asyncio.gather(*asked)}
    assert statuses == {500}
    async with endpoints.visit() as visitor:  # who logs in, which needs Django's connections
        assert (await visitor.get("/admin/stock/item/")).status == 200
        checks = (await visitor.http.get("/readyz")).json()["checks"]
    assert checks["database"] == "ok"
    assert checks["admin"] == "ok"
