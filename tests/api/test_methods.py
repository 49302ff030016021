"""HEAD wherever GET is, an Allow that names every method, and OPTIONS that tells them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import StreamingResponse
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import _route, build_root
from trivet.web import page
from trivet_api import public, requires
from trivet_api.answers import HttpAnswers
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


class OfMyOwn(APIRouter):
    """A router class of one's own, which FastAPI keeps as a router."""


def make_router(kind: type[APIRouter]) -> APIRouter:
    router = kind()

    @router.get("/seat", dependencies=[public])
    async def read() -> str:
        return "window"

    @router.put("/seat", dependencies=[public])
    async def write() -> str:
        return "aisle"

    @router.delete("/{name}", dependencies=[public])
    async def remove(name: str) -> str:
        return name

    @router.head("/own", dependencies=[public])
    async def head_only() -> Response:
        return Response(headers={"x-own": "head"})

    @router.get("/own", dependencies=[public])
    async def own() -> str:
        return "own"

    @router.options("/own", dependencies=[public])
    async def own_options() -> Response:
        return Response(headers={"x-own": "options"})

    _add_odd(router)
    return router


def _add_odd(router: APIRouter) -> None:
    @router.get("/guarded", dependencies=[requires("seats.view_seat")])
    async def guarded() -> str:
        return "never"

    @router.get("/endless", dependencies=[public])
    async def endless() -> StreamingResponse:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield b"x"

        return StreamingResponse(pieces(), headers={"x-stream": "yes"})


@pytest.fixture(params=[APIRouter, OfMyOwn], ids=["flat", "of its own"])
async def client(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    app.router.route_class = PolicyRoute
    install_problems(app)
    include(app, make_router(request.param), prefix="/seats")
    mounted = MountedApp("api", "/api", HttpAnswers(app, answer_directly(app)), lifespan=False)
    async with client_of(build_root(bare_platform(tmp_path), [mounted])) as client:
        yield client


ALLOWED = "GET, HEAD, PUT, DELETE, OPTIONS"


async def test_a_head_says_what_the_get_would_and_has_no_body(client: httpx2.AsyncClient) -> None:
    whole, head = [await client.request(m, "/api/seats/seat") for m in ("GET", "HEAD")]
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "vary", "content-security-policy"):
        assert head.headers[name] == whole.headers[name], name


@pytest.mark.parametrize(
    ("path", "status"), [("seats/guarded", 401), ("nowhere", 404), ("seats/other", 405)]
)
async def test_a_head_is_refused_as_the_get_is(
    client: httpx2.AsyncClient, path: str, status: int
) -> None:
    answer = await client.head(f"/api/{path}")
    assert answer.status_code == status
    assert (await client.get(f"/api/{path}")).status_code == status


async def test_a_head_of_what_never_ends_ends(client: httpx2.AsyncClient) -> None:
    answer = await client.head("/api/seats/endless")
    assert (answer.status_code, answer.headers["x-stream"], answer.content) == (200, "yes", b"")


async def test_what_a_route_answers_itself_it_answers(client: httpx2.AsyncClient) -> None:
    for method in ("HEAD", "OPTIONS"):
        answer = await client.request(method, "/api/seats/own")
        assert answer.headers["x-own"] == method.lower()


async def test_a_405_and_an_options_name_every_method(client: httpx2.AsyncClient) -> None:
    for method, status in (("PATCH", 405), ("POST", 405), ("TRACE", 405), ("OPTIONS", 204)):
        answer = await client.request(method, "/api/seats/seat")
        assert (answer.status_code, answer.headers["allow"]) == (status, ALLOWED), method
    other = await client.get("/api/seats/other")
    assert (other.status_code, other.headers["allow"]) == (405, "DELETE, OPTIONS")
    assert (await client.options("/api/nowhere")).status_code == 404


async def test_the_roots_own_places_answer_so_too(client: httpx2.AsyncClient) -> None:
    for path in ("/", "/favicon.ico", "/static/trivet/page.css"):
        refused = await client.post(path)
        assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS"), path
        asked = await client.options(path)
        assert (asked.status_code, asked.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
        assert (await client.head(path)).status_code == 200


async def test_pages_of_one_path_name_each_other_s_methods(tmp_path: Path) -> None:
    async def answer(_request: Request) -> Response:
        return PlainTextResponse("a page")

    routes = [page("/x", answer, policy=public), page("/x", answer, policy=public, methods=["PUT"])]
    mounted = MountedApp("pages", "/pages", _route(routes), lifespan=False)
    async with client_of(build_root(bare_platform(tmp_path), [mounted])) as client:
        for method, status in (("DELETE", 405), ("OPTIONS", 204)):
            got = await client.request(method, "/pages/x")
            assert (got.status_code, got.headers["allow"]) == (status, "GET, HEAD, PUT, OPTIONS")
