"""Plain writing routes: what is answered past FastAPI's solver is what FastAPI would answer."""

import datetime as dt
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Body,
    Depends,
    FastAPI,
    Form,
    Header,
    HTTPException,
    Request,
    Response,
)
from pydantic import BaseModel, Field
from starlette.types import ASGIApp

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.errors import Conflict
from trivet_api import authenticated, public
from trivet_api.direct import answer_directly
from trivet_api.include import include
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


class Cargo(BaseModel):
    name: Annotated[str, Field(max_length=5)]
    weighed_on: dt.date | None = None


asked: list[str] = []


async def find_porter(request: Request, porter: Annotated[int | None, Header()] = None) -> str:
    asked.append(request.url.path)
    return f"{porter} at {request.url.path}"


async def refuse() -> None:
    raise HTTPException(418, "not by this way")


plain = APIRouter(dependencies=[public])
"""Routes that are answered past the solver."""


@plain.post("/cargo", status_code=201)
async def load(cargo: Cargo) -> Cargo:
    return cargo


@plain.put("/cargo/{key}")
async def put(key: int, cargo: Cargo, loud: bool = False) -> str:
    return f"{key} {cargo.name.upper() if loud else cargo.name}"


@plain.post("/carried")
async def carry(cargo: Cargo, porter: Annotated[str, Depends(find_porter)]) -> str:
    return f"{cargo.name} by {porter}"


@plain.post("/refused", dependencies=[Depends(refuse)])
async def never(cargo: Cargo) -> str:
    return cargo.name


@plain.post("/taken")
async def taken(cargo: Cargo) -> str:
    raise Conflict("taken", f"{cargo.name} is taken.")


@plain.post("/answered")
async def answered(cargo: Cargo) -> Any:
    return Response(cargo.name, 202, headers={"x-cargo": "yes"})


@plain.post("/amiss")
async def amiss(cargo: Cargo) -> int:
    return cargo.name  # type: ignore[return-value]  # that is what is wrong


@plain.post("/numbers")
async def add_up(numbers: list[int]) -> int:
    return sum(numbers)


others = APIRouter(dependencies=[public])
"""Routes that stay FastAPI's."""


@others.post("/two")
async def two(cargo: Cargo, count: Annotated[int, Body()]) -> str:
    return cargo.name * count


@others.post("/embedded")
async def embedded(cargo: Annotated[Cargo, Body(embed=True)]) -> str:
    return cargo.name


@others.post("/form")
async def form(name: Annotated[str, Form()]) -> str:
    return name


@others.post("/plain")
def on_a_thread(cargo: Cargo) -> str:
    return cargo.name


@others.post("/said")
async def say(cargo: Cargo, response: Response) -> str:
    response.status_code = 203
    return cargo.name


def make_app() -> FastAPI:
    app = FastAPI()
    install_problems(app)
    for router in (plain, others):
        include(app, router)
    return app


async def ask(
    app: ASGIApp, folder: Path, request_line: str, body: bytes, headers: dict[str, str]
) -> tuple[int, Any, Any]:
    """The status, the headers and the body; what is another each time is taken out."""
    method, _, path = request_line.partition(" ")
    root = build_root(bare_platform(folder), [MountedApp("api", "/api", app, lifespan=False)])
    async with client_of(root) as client:
        answer = await client.request(method, f"/api{path}", content=body, headers=headers)
    request_id = answer.headers["x-request-id"]
    told = [(name, value.replace(request_id, "")) for name, value in answer.headers.items()]
    return answer.status_code, told, answer.text.replace(request_id, "")


CARGO = b'{"name": "crate"}'
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    ("request_line", "body", "headers", "status"),
    [
        ("POST /cargo", CARGO, JSON, 201),
        ("POST /cargo", CARGO, {"content-type": "Application/JSON; charset=utf-8"}, 201),
        ("POST /cargo", CARGO, {"content-type": "application/vnd.api+json"}, 201),
        ("POST /cargo", CARGO, {"content-type": "text/plain"}, 415),
        ("POST /cargo", CARGO, {}, 415),
        ("POST /cargo", b"", JSON, 422),
        ("POST /cargo", b"null", JSON, 422),
        ("POST /cargo", b"{", JSON, 400),
        ("POST /cargo", b'{"name": "a", "name": "b"}', JSON, 400),
        ("POST /cargo", b'{"name": "too long"}', JSON, 422),
        ("POST /cargo", b'{"name": "a", "weighed_on": "2026-11-26"}', JSON, 201),
        ("POST /cargo", b'{"name": "a", "weighed_on": 7}', JSON, 422),
        ("PUT /cargo/7?loud=yes", CARGO, JSON, 200),
        ("PUT /cargo/seven", CARGO, JSON, 422),
        ("PUT /cargo/7?loud=perhaps", b"{}", JSON, 422),
        ("POST /carried", CARGO, {**JSON, "porter": "3"}, 200),
        ("POST /carried", CARGO, {**JSON, "porter": "x"}, 422),
        ("POST /refused", CARGO, JSON, 418),
        ("POST /refused", b"{}", JSON, 418),
        ("POST /taken", CARGO, JSON, 409),
        ("POST /answered", CARGO, JSON, 202),
        ("POST /numbers", b"[1, 2]", JSON, 200),
        ("POST /numbers", b'["x"]', JSON, 422),
        ("POST /two", b'{"cargo": {"name": "a"}, "count": 2}', JSON, 200),
        ("POST /embedded", b'{"cargo": {"name": "a"}}', JSON, 200),
        ("POST /form", b"name=a", {"content-type": "application/x-www-form-urlencoded"}, 200),
        ("POST /plain", CARGO, JSON, 200),
        ("POST /said", CARGO, JSON, 203),
    ],
)
async def test_every_answer_is_fastapis_to_the_byte(
    tmp_path: Path, request_line: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    given = (tmp_path, request_line, body, headers)
    theirs = await ask(make_app(), *given)
    assert await ask(answer_directly(make_app()), *given) == theirs
    assert theirs[0] == status


def test_plain_routes_go_past_the_solver_and_others_do_not() -> None:
    app = make_app()
    writing = answer_directly(app).writing
    routes = [each for each in app.routes if isinstance(each, PolicyRoute)]
    found = {route.path for route in routes if id(route) in writing}
    assert found == {getattr(route, "path", "") for route in plain.routes}
    assert len(routes) == len(plain.routes) + len(others.routes)


async def test_a_dependency_is_asked_once_and_may_be_overridden(tmp_path: Path) -> None:
    given = (tmp_path, "POST /carried", CARGO, JSON)
    asked.clear()
    await ask(answer_directly(make_app()), *given)
    assert asked == ["/api/carried"]
    app = make_app()
    app.dependency_overrides[find_porter] = lambda: "grace"
    assert (await ask(answer_directly(app), *given))[2] == '"crate by grace"'


async def test_a_policy_is_asked_before_the_body_is_read(tmp_path: Path) -> None:
    app, router = FastAPI(), APIRouter()
    install_problems(app)
    router.add_api_route("/cargo", load, methods=["POST"], dependencies=[authenticated])
    include(app, router)
    assert (await ask(answer_directly(app), tmp_path, "POST /cargo", b"{", JSON))[0] == 401


async def test_a_client_that_leaves_within_its_body_is_told_what_fastapi_tells(
    tmp_path: Path,
) -> None:
    assert await leave(make_app(), tmp_path) == await leave(answer_directly(make_app()), tmp_path)


async def leave(app: ASGIApp, folder: Path) -> list[int]:
    """The status of what is sent to a client that leaves within its body."""
    sent: list[int] = []
    events = iter([{"type": "http.request", "body": b"{", "more_body": True}])

    async def receive() -> Any:
        return next(events, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        sent.extend([message["status"]] if "status" in message else [])

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/cargo",
        "raw_path": b"/api/cargo",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost:8000"), (b"content-type", b"application/json")],
    }
    mounted = MountedApp("api", "/api", app, lifespan=False)
    await build_root(bare_platform(folder), [mounted])(scope, receive, send)
    return sent
