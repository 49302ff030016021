"""A route is found by its first segments, and is the one that FastAPI would have found."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.routing import Mount

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet_api import public
from trivet_api.policy import PolicyRoute
from trivet_api.route_index import index_routes

pytestmark = pytest.mark.anyio

PATHS = [
    "/shop/books",
    "/shop/books/stock",
    "/shop/books/{key}",
    "/shop/books/{key}/pages/{page}",
    "/shop/books:merge",
    "/shop/{thing}",
    "/shop",
    "/shop/",
    "/{feature}/orders",
    "/till/{rest:path}",
    "/till/late",
    "/page/{number:int}",
    "/page/{name}",
    "/",
]
ASKED = [
    *("/shop/books", "/shop/books/", "/shop/books/stock", "/shop/books/7", "/shop/books/7/pages/2"),
    *("/shop/books/7/pages", "/shop/books:merge", "/shop/pens", "/shop", "/shop/", "/zoo/orders"),
    *(
        "/shop/orders",
        "/till/a/b/c",
        "/till/late",
        "/till",
        "/",
        "",
        "//",
        "/nowhere",
        "/app/deep/x",
    ),
    *("/page/7", "/page/x", "/page/-7", "/page/7.5"),
    *("/shop/books%2Fstock", "/shop//books", "/late/route"),
]
METHODS = ["GET", "POST", "DELETE", "HEAD"]


def make_app(paths: list[str]) -> FastAPI:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.router.route_class = PolicyRoute
    for place, path in enumerate(paths):
        if place == len(paths) // 2:
            app.router.routes.append(Mount("/app", PlainTextResponse("a mounted app")))
        methods = ["GET"] if place % 3 else ["GET", "POST"]
        app.add_api_route(
            path, _endpoint(f"{place} {path}"), methods=methods, dependencies=[public]
        )
    return app


def _endpoint(name: str) -> Callable[[], Any]:
    async def answer() -> str:
        return name

    return answer


async def ask_all(app: FastAPI, home: Path) -> list[tuple[object, ...]]:
    mounted = MountedApp("api", "/api", app, lifespan=False)
    async with client_of(build_root(bare_platform(home), [mounted])) as client:
        answers = [
            await client.request(method, f"/api{path}")
            for method, path in itertools.product(METHODS, ASKED)
        ]
    return [(each.status_code, each.text, each.headers.get("allow")) for each in answers]


@pytest.mark.parametrize("order", [1, -1])
async def test_the_index_finds_what_the_router_finds(order: int, tmp_path: Path) -> None:
    app, indexed = make_app(PATHS[::order]), make_app(PATHS[::order])
    index_routes(indexed.router)

    assert await ask_all(indexed, tmp_path) == await ask_all(app, tmp_path)


async def test_a_route_that_is_added_later_is_found(tmp_path: Path) -> None:
    app = make_app(PATHS)
    index_routes(app.router)
    before = await ask_all(app, tmp_path)

    app.add_api_route("/late/route", _endpoint("late"), dependencies=[public])

    after = await ask_all(app, tmp_path)
    changed = {new[:2] for old, new in zip(before, after, strict=True) if new != old}
    assert (200, '"late"') in changed


async def test_only_routes_that_can_be_meant_are_tried() -> None:
    app = FastAPI(openapi_url=None)
    app.router.route_class = PolicyRoute
    for feature, noun in itertools.product(range(50), range(10)):
        for method in ("GET", "POST"):
            app.add_api_route(f"/feature{feature}/noun{noun}", _endpoint(""), methods=[method])
    index = index_routes(app.router)

    path = "/feature49/noun9"
    found = index.find({"type": "http", "method": "POST", "path": path, "headers": []})

    assert found is not None
    assert getattr(found.route, "path", "") == path
    assert len(index._candidates(path, "POST")) == 1  # the count is the promise
