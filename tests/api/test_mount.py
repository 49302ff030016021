"""Routers in the API: however a feature arranges its routes, each keeps all that it says."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from threading import get_ident
from typing import Annotated, Any, ClassVar

import httpx2
import pytest
from fastapi import APIRouter, Depends, FastAPI, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic_core import CoreSchema
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet_api import authenticated, public, requires
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.index import install_index
from trivet_api.policy import PolicyRoute, list_routes
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


async def count(response: Response) -> int:
    response.headers["x-counted"] = "yes"
    return 7


def make_router(*, nested: bool) -> APIRouter:
    """A router that says something of all its routes, and routes that say more; with `nested`,
    one of them lies in a router of its own."""
    router = APIRouter(tags=["sky"], responses={418: {"description": "a teapot"}})
    inner = APIRouter(dependencies=[requires("stars.view_star")]) if nested else router
    dependencies = [public] if nested else [public, requires("stars.view_star")]

    @inner.get("/star", dependencies=dependencies, tags=["bright"], operation_id="sirius")
    async def star() -> str:
        return "sirius"

    if nested:
        router.include_router(inner, prefix="/inner")

    @router.get("/open/{number}", dependencies=[public], status_code=203, deprecated=True)
    async def open_to_all(number: int, counted: Annotated[int, Depends(count)]) -> int:
        """Add."""
        return number + counted

    @router.post("/closed", dependencies=[authenticated], summary="Closed to most")
    async def closed(wish: dict[str, int]) -> dict[str, int]:
        return wish

    return router


def make_app(*, directly: bool, nested: bool) -> FastAPI:
    app = FastAPI(title="Stars")
    install_problems(app)
    if directly:
        app.router.route_class = PolicyRoute
        include(app, make_router(nested=nested), prefix="/stars", tags=["all"])
    else:
        app.include_router(make_router(nested=nested), prefix="/stars", tags=["all"])
    return app


class Seen(BaseModel):
    """A model that notes where its schema for the document is made."""

    made_in: ClassVar[list[int]] = []
    name: str

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        cls.made_in.append(get_ident())
        return handler(schema)


@pytest.fixture(params=[True, False], ids=["nested", "flat"])
def nested(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[True, False], ids=["ours", "FastAPI's"])
def app(request: pytest.FixtureRequest, nested: bool) -> FastAPI:
    return make_app(directly=request.param, nested=nested)


@pytest.fixture
async def client(app: FastAPI, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    mounted = MountedApp("api", "/api", answer_directly(app), lifespan=False)
    async with client_of(build_root(bare_platform(tmp_path), [mounted])) as client:
        yield client


async def test_a_route_answers_the_same_however_it_is_included(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/stars/open/35")
    assert (answer.status_code, answer.json(), answer.headers["x-counted"]) == (203, 42, "yes")
    assert (await client.get("/api/stars/open/x")).status_code == 422
    assert (await client.put("/api/stars/open/1")).status_code == 405


async def test_a_policy_holds_however_it_came_to_the_route(
    client: httpx2.AsyncClient, nested: bool
) -> None:
    star = "/api/stars/inner/star" if nested else "/api/stars/star"
    assert (await client.get(star)).status_code == 401
    assert (await client.post("/api/stars/closed", json={"a": 1})).status_code == 401


async def test_who_may_not_call_does_not_learn_what_the_body_should_be(
    tmp_path: Path,
) -> None:
    app = make_app(directly=True, nested=False)
    root = build_root(bare_platform(tmp_path), [MountedApp("api", "/api", app, lifespan=False)])
    async with client_of(root) as client:
        head = {"content-type": "application/json"}
        answer = await client.post("/api/stars/closed", content=b"{", headers=head)
    assert answer.status_code == 401


def test_the_document_is_the_same_however_a_router_is_included(nested: bool) -> None:
    ours, fastapis = (make_app(directly=directly, nested=nested) for directly in (True, False))
    assert ours.openapi() == fastapis.openapi()


def test_the_routes_lie_directly_in_the_app_and_name_their_policies() -> None:
    app = FastAPI(openapi_url=None)
    plain = APIRouter()
    plain.add_api_route("/open", count, dependencies=[public])
    include(app, plain, prefix="/stars")
    assert [type(route) for route in app.router.routes] == [PolicyRoute]
    assert [(r.path, r.policy) for r in list_routes(app, "/api")] == [("/api/stars/open", "public")]


def test_a_router_that_holds_more_than_routes_stays_as_it_is() -> None:
    async def hello(_request: Any) -> PlainTextResponse:
        return PlainTextResponse("hello")

    app, router = FastAPI(openapi_url=None), APIRouter()
    router.routes.append(Mount("/deep", routes=[Route("/hello", hello)]))
    router.add_api_route("/open", count, dependencies=[public])
    include(app, router, prefix="/stars")
    assert not any(isinstance(route, PolicyRoute) for route in app.router.routes)
    paths = [context.path for context in iter_route_contexts(app.routes)]
    assert paths == ["/stars/deep", "/stars/open"]


async def test_the_document_is_made_beside_the_event_loop(tmp_path: Path) -> None:
    app = FastAPI(openapi_url=None)
    app.router.route_class = PolicyRoute
    install_index(app)

    @app.get("/seen", dependencies=[public])
    async def seen() -> Seen:
        return Seen(name="a")

    root = build_root(bare_platform(tmp_path), [MountedApp("api", "/api", app, lifespan=False)])
    async with client_of(root) as client:
        first, second = await asyncio.gather(*(client.get("/api/openapi.json") for _ in range(2)))
    assert "Seen" in first.json()["components"]["schemas"]
    assert first.json() == second.json()
    assert Seen.made_in
    assert get_ident() not in Seen.made_in
