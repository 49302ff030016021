"""Plain routes: what is answered directly is what FastAPI would have answered."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    Cookie,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
)
from fastapi import Path as InPath
from fastapi.routing import APIRoute
from pydantic import AliasChoices, BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.errors import NotFound
from trivet_api import authenticated, public
from trivet_api.direct import DirectAnswer, answer_directly
from trivet_api.include import include
from trivet_api.json_answer import JsonAnswer
from trivet_api.policy import PolicyRoute
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of the log; nobody prints them, nor reads the source code for tracebacks."""
    with capture_logs() as captured:
        yield captured


class Star(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    name: str
    light_years: float | None = Field(default=None, alias="lightYears")


class Row:
    """What an ORM would return."""

    name = "sirius"
    lightYears = 8.6  # noqa: N815  # the alias is the name that is read


class Page(BaseModel):
    size: Annotated[int, Field(ge=1, le=50)] = 10
    tags: list[str] = []


class Guide:
    """A dependency of the request."""

    def __init__(self, agent: str) -> None:
        self.agent = agent


async def find_guide(request: Request) -> Guide:
    return Guide(request.headers["x-guide"])


def find_guide_on_a_thread(request: Request) -> Guide:
    return Guide(request.headers["x-guide"])


async def lend_guide(request: Request) -> AsyncIterator[Guide]:
    yield Guide(request.headers["x-guide"])


async def refuse() -> None:
    raise HTTPException(418, "not by this way")


plain = APIRouter(dependencies=[public])
"""Routes that are answered directly."""


@plain.get("/number/{number}")
async def number(number: int, factor: Annotated[int, Query(le=9, alias="by")] = 1) -> int:
    return number * factor


@plain.get("/choice/{second}")
async def choice(
    chosen: Annotated[int, InPath(validation_alias=AliasChoices("first", "second"))],
) -> int:
    return chosen


@plain.get("/texts")
async def texts(text: Annotated[list[str], Query()], lower: bool = False) -> list[str]:
    return [each.lower() if lower else each for each in text]


@plain.get("/page")
async def page(page: Annotated[Page, Query()]) -> Page:
    return page


@plain.get("/row", response_model=Star)
async def row() -> Row:
    return Row()


@plain.get("/short", response_model_exclude_none=True, response_model_by_alias=False)
async def short() -> Star:
    return Star(name="vega")


@plain.get("/made", status_code=203)
async def made() -> Star:
    return Star(name="vega", lightYears=25)


@plain.get("/wrong", response_model=Star)
async def wrong() -> dict[str, int]:
    return {"nome": 1}


@plain.get("/guided")
async def guided(request: Request, guide: Annotated[Guide, Depends(find_guide)]) -> str:
    return f"{guide.agent} to {request.url.path}"


@plain.get("/refused", dependencies=[Depends(refuse)])
async def refused() -> str:
    raise AssertionError("the dependency has refused")


@plain.get("/missing")
async def missing() -> str:
    raise NotFound("no-such-star", "There is no such star.")


@plain.get("/teapot")
async def teapot() -> str:
    raise HTTPException(418, "a teapot", headers={"x-pot": "tea"})


@plain.get("/baked")
async def baked(biscuit: Annotated[str, Cookie()] = "none") -> str:
    return biscuit


async def mark(response: Response) -> None:
    response.headers.append("x-mark", "dependency")


@plain.get("/marked", dependencies=[Depends(mark)])
async def marked(response: Response, status: int = 200) -> str:
    response.headers.append("x-mark", "endpoint")
    response.status_code = status
    return "marked"


@plain.get("/streamed", response_model=str)
async def streamed() -> Response:
    return StreamingResponse(iter(["a", "b"]), media_type="text/plain")


@plain.get("/headed")
async def headed(x_guide: Annotated[str, Header()]) -> str:
    return x_guide


@plain.get("/set")
async def set_header(response: Response) -> str:
    response.headers["x-set"] = "yes"
    return "set"


class EclipseError(Exception):
    """Something for which the application has a handler of its own."""


async def explain_eclipse(_request: Request, _error: Exception) -> Response:
    return Response("dark", 503)


class Late(Response):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise EclipseError


@plain.get("/late", response_model=str)
async def late() -> Response:
    return Late()


WORKED: list[str] = []
"""What was done behind an answer."""


def dress(answer: Response) -> Response:
    """Say more of an answer, as any code may that gets a response."""
    answer.headers["x-more"] = "yes"
    answer.set_cookie("biscuit", "rye")
    answer.background = BackgroundTask(WORKED.append, type(answer).__name__)
    return answer


@plain.get("/written", response_model=str)
async def written(dressed: bool = False) -> Response:
    answer = JsonAnswer(b'{"a":1}', 203, [(b"etag", b'"7"')])
    return dress(answer) if dressed else answer


@plain.get("/rendered", response_model=str)
async def rendered(dressed: bool = False) -> Response:
    answer = Response(b'{"a":1}', 203, {"etag": '"7"'}, "application/json")
    return dress(answer) if dressed else answer


@plain.get("/late-behind", response_model=str)
async def late_behind() -> Response:
    answer = JsonAnswer(b"1")
    answer.background = BackgroundTask(explode)
    return answer


async def explode() -> None:
    raise EclipseError


@plain.get("/pathless")
async def pathless(missing: Annotated[int, InPath()]) -> int:
    return missing


@dataclass
class Limit:
    """A dependency that has no hash, which FastAPI only finds out when it is asked."""

    number: int

    async def __call__(self) -> int:
        return self.number


others = APIRouter(dependencies=[public])
"""Routes that stay FastAPI's."""


@others.get("/threaded")
def threaded() -> str:
    return "threaded"


@others.get("/lent")
async def lent(guide: Annotated[Guide, Depends(lend_guide)]) -> str:
    return guide.agent


async def find_number(number: int) -> int:
    return number


@others.get("/found/{number}")
async def found(found: Annotated[int, Depends(find_number)]) -> int:
    return found


@others.get("/limited")
async def limited(number: Annotated[int, Depends(Limit(5))]) -> int:
    return number


@others.get("/sent")
async def sent(guide: Annotated[Guide, Depends(find_guide_on_a_thread)]) -> str:
    return guide.agent


@others.get("/empty", status_code=204)
async def empty() -> None: ...


@others.post("/posted")
async def posted(star: Star) -> Star:
    return star


def make_app(*, directly: bool) -> FastAPI:
    app = FastAPI()
    install_problems(app)
    app.add_exception_handler(EclipseError, explain_eclipse)
    for router in (plain, others):
        if directly:
            include(app, router)
        else:
            app.include_router(router)
    return app


HEADERS = {"x-guide": "ada", "cookie": "biscuit=oat"}


async def ask(app: ASGIApp, folder: Path, method: str, path: str) -> tuple[int, Any, Any]:
    """The status, the headers and the body; what is another each time is taken out."""
    mounted = MountedApp("api", "/api", app, lifespan=False)
    root = build_root(bare_platform(folder), [mounted])
    async with client_of(root) as client:
        answer = await client.request(method, f"/api{path}", headers=HEADERS)
    request_id = answer.headers["x-request-id"]
    headers = [(name, value.replace(request_id, "")) for name, value in answer.headers.items()]
    return answer.status_code, headers, answer.text.replace(request_id, "")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/number/6?by=7", 200),
        ("/number/6", 200),
        ("/number/six", 422),
        ("/number/6?by=10", 422),
        ("/number/6?by=", 422),
        ("/choice/7", 200),
        ("/choice/x", 422),
        ("/texts?text=A&text=B&lower=on", 200),
        ("/texts?text=%C3%84+b", 200),
        ("/texts", 422),
        ("/page?size=5&tags=a&tags=b", 200),
        ("/page?size=51", 422),
        ("/row", 200),
        ("/short", 200),
        ("/made", 203),
        ("/wrong", 500),
        ("/guided", 200),
        ("/refused", 418),
        ("/missing", 404),
        ("/teapot", 418),
        ("/baked", 200),
        ("/marked", 200),
        ("/marked?status=201", 201),
        ("/marked?status=204", 204),
        ("/streamed", 200),
        ("/late", 503),
        ("/written", 203),
        ("/written?dressed=yes", 203),
        ("/late-behind", 200),
        ("/pathless", 422),
        ("/limited", 500),
        ("/threaded", 200),
        ("/headed", 200),
        ("/lent", 200),
        ("/found/3", 200),
        ("/found/x", 422),
        ("/sent", 200),
        ("/set", 200),
        ("/empty", 204),
    ],
)
@pytest.mark.usefixtures("lines")
async def test_every_answer_is_fastapis_to_the_byte(tmp_path: Path, path: str, status: int) -> None:
    ours, theirs = make_app(directly=True), make_app(directly=False)
    answers = [
        await ask(app, tmp_path, "GET", path) for app in (theirs, ours, answer_directly(ours))
    ]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == status


@pytest.mark.parametrize("query", ["", "?dressed=yes"])
async def test_json_that_is_written_is_sent_as_any_response(tmp_path: Path, query: str) -> None:
    app = answer_directly(make_app(directly=True))
    WORKED.clear()

    answers = [
        await ask(app, tmp_path, "GET", f"/{name}{query}") for name in ("written", "rendered")
    ]

    assert answers[0] == answers[1]
    assert list(WORKED) == (["JsonAnswer", "Response"] if query else [])


def test_plain_routes_are_answered_directly_and_others_are_not() -> None:
    app = make_app(directly=True)
    answer_directly(app)
    routes = [route for route in app.router.routes if type(route) is PolicyRoute]
    direct = {route.path for route in routes if isinstance(route.app, DirectAnswer)}
    assert direct == {route.path for route in plain.routes if isinstance(route, APIRoute)}
    assert len(routes) == len(plain.routes) + len(others.routes)


async def test_a_dependency_that_is_overridden_is_overridden_in_a_plain_route_too(
    tmp_path: Path,
) -> None:
    app = make_app(directly=True)
    app.dependency_overrides[find_guide] = lambda: Guide("grace")
    status, _, body = await ask(answer_directly(app), tmp_path, "GET", "/guided")
    assert (status, body) == (200, '"grace to /api/guided"')


async def test_a_policy_is_asked_before_a_plain_route_reads_its_parameters(tmp_path: Path) -> None:
    app, router = FastAPI(), APIRouter()
    install_problems(app)
    router.add_api_route("/number/{number}", number, dependencies=[authenticated])
    include(app, router)
    for room in (app, answer_directly(app)):
        assert (await ask(room, tmp_path, "GET", "/number/six"))[0] == 401
        assert (await ask(room, tmp_path, "GET", "/number/6"))[0] == 401


async def test_what_a_plain_route_returns_amiss_is_named_in_the_log(
    tmp_path: Path, lines: list[MutableMapping[str, Any]]
) -> None:
    await ask(answer_directly(make_app(directly=True)), tmp_path, "GET", "/wrong")
    faults = [str(line["exc_info"]) for line in lines if line["log_level"] == "error"]
    assert len(faults) == 1
    assert "Endpoint: /wrong" in faults[0]
