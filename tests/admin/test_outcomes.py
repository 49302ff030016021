"""Status decides, with one exception, and it is declared: a refusal that is an outcome."""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any, TypeVar

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.applications import Starlette
from starlette.routing import Route, Router
from structlog.testing import capture_logs

from tests.admin import door
from tests.admin.grant_changes import me
from tests.admin.house import House, make_settings
from tests.admin.stock.models import Tag
from trivet import Conflict, Identity, Unauthenticated, commits_on, context_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.features import Feature
from trivet.identity import Revocation
from trivet.platform import open_platform
from trivet.web import list_pages, page
from trivet_admin import outcomes
from trivet_admin.auth.login import DjangoAccounts
from trivet_admin.mount import mount as mount_admin
from trivet_admin.transactions import ThreadedTransactions
from trivet_api import Unit, public
from trivet_api.include import include
from trivet_api.policy import list_routes
from trivet_api.problems import install_problems
from trivet_deploy.cli.routes import Line

pytestmark = pytest.mark.anyio

T = TypeVar("T")

COOKIE = "trivet_session"
VIEWS = "/admin/stock/tag"


# ---- services, and the doors of other rooms that call them --------------------------------


def end_session(_db: Session, _actor: Identity, key: str) -> None:
    from trivet_admin.auth.session_store import SessionStore

    SessionStore(key).flush()


def note_step(_db: Session, _actor: Identity) -> str:
    from trivet_admin.auth.session_store import SessionStore

    session: Any = SessionStore()
    session["step"] = "code"
    session.save()
    return str(session.session_key)


def add_tag(db: Session, _actor: Identity, name: str) -> None:
    db.add(Tag(name=name))
    db.flush()


def make_router(*statuses: int) -> APIRouter:
    """A logout and a login in steps; with `statuses`, these refusals are outcomes."""
    router = APIRouter(dependencies=[public])

    def mark(endpoint: T) -> T:
        return commits_on(*statuses)(endpoint) if statuses else endpoint

    @router.post("/logout")
    @mark
    async def log_out(request: Request, unit: Unit) -> None:
        await unit.run_with_django(end_session, request.cookies[COOKIE])
        raise Unauthenticated("logged-out", "Nobody is logged in now.")

    @router.post("/begin/{status}")
    @mark
    async def begin(status: int, unit: Unit) -> JSONResponse:
        key = await unit.run_with_django(note_step)
        response = JSONResponse({"next": "code"}, status)
        response.set_cookie(COOKIE, key)
        return response

    @router.post("/tags/{name}/{status}")
    @mark
    async def tag(name: str, status: int, unit: Unit) -> None:
        await unit.run(add_tag, name)
        raise HTTPException(status, "and that is that")

    @router.post("/twice/{name}")
    @mark
    async def name_twice(name: str, unit: Unit) -> None:
        await unit.run(add_tag, name)
        await unit.run(add_tag, name)

    @router.post("/caught/{name}")
    @mark
    async def name_twice_and_say_so(name: str, unit: Unit) -> None:
        await unit.run(add_tag, name)
        try:
            await unit.run(add_tag, name)
        except IntegrityError:
            raise Conflict("taken", "There is one of this name.") from None

    return router


async def end_by_page(request: Request) -> JSONResponse:
    context = context_of(request.scope)
    key = request.cookies[COOKIE]
    await context.unit.run_with_django(end_session, key)
    return JSONResponse({}, 401)


def make_mounts() -> list[MountedApp]:
    app = FastAPI(openapi_url=None)
    install_problems(app)
    include(app, make_router(401, 409), prefix="/declared")
    include(app, make_router(), prefix="/undeclared")
    pages = [
        page("/declared", commits_on(401)(_copy(end_by_page)), policy=public, methods=["POST"]),
        page("/undeclared", end_by_page, policy=public, methods=["POST"]),
    ]
    foreign = Starlette(routes=[Route("/logout", end_by_page, methods=["POST"])])
    outcome = frozenset({401})
    return [
        MountedApp("api", "/api", app, list_routes=lambda: list_routes(app, "/api")),
        MountedApp("desk", "/desk", Router(pages), list_routes=lambda: list_pages("desk", pages)),
        MountedApp("kept", "/kept", foreign, commits_on=outcome, lifespan=False),
        MountedApp("lost", "/lost", foreign, lifespan=False),
    ]


def _copy(endpoint: Any) -> Any:
    async def copied(request: Request) -> Any:
        return await endpoint(request)

    return copied


def _build(database_url: str, features: tuple[Feature, ...]) -> House:
    settings = make_settings(database_url)
    django = ThreadedTransactions(settings.django_threads)
    platform = open_platform(settings, features, accounts=DjangoAccounts(), django=django)
    _ = platform.database.read_engine  # makes the engine, which looks at the file system
    mounts = [mount_admin(platform), door.mount(), *make_mounts()]
    return House(platform, build_root(platform, mounts))


@pytest.fixture
async def house(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> AsyncIterator[House]:
    house = await asyncio.to_thread(_build, database_url, stock)
    yield house
    await house.platform.database.close()


@pytest.fixture
def told(house: House) -> Iterator[list[Revocation]]:
    found: list[Revocation] = []
    leave = house.platform.broker.subscribe(Revocation, found.append)
    yield found
    leave()


@pytest.fixture
def lines() -> Iterator[list[MutableMapping[str, Any]]]:
    outcomes._advised.clear()
    with capture_logs() as captured:
        yield captured


DECLARED = [
    f"{VIEWS}/declared/logout/",
    f"{VIEWS}/declared/class/logout/",
    f"{VIEWS}/included/logout/",
    "/api/declared/logout",
    "/desk/declared",
    "/kept/logout",
]
UNDECLARED = [
    f"{VIEWS}/undeclared/logout/",
    "/api/undeclared/logout",
    "/desk/undeclared",
    "/lost/logout",
]


@pytest.mark.parametrize("path", DECLARED)
async def test_a_declared_logout_that_answers_401_has_ended_the_session(
    house: House, told: list[Revocation], path: str
) -> None:
    async with house.visit("clerk") as clerk:
        stolen = clerk.http.cookies[COOKIE]
        assert (await me(clerk))["username"] == "clerk"
        assert (await clerk.http.post(path)).status_code == 401
    assert await house.value("SELECT count(*) FROM django_session") == 0
    assert [each.kind for each in told] == [None]
    async with house.client(cookie=f"{COOKIE}={stolen}") as thief:
        assert (await me(thief))["kind"] == "anonymous"


@pytest.mark.parametrize("path", UNDECLARED)
async def test_an_undeclared_refusal_rolls_back_and_the_log_says_so_once(
    house: House, told: list[Revocation], lines: list[MutableMapping[str, Any]], path: str
) -> None:
    async with house.visit("clerk") as clerk:
        cookie = f"{COOKIE}={clerk.http.cookies[COOKIE]}"
    for _ in range(2):
        # A view may have told the browser to forget the cookie, which is still worth a session.
        async with house.client(cookie=cookie) as clerk:
            assert (await clerk.http.post(path)).status_code == 401
            assert (await me(clerk))["username"] == "clerk"
    assert told == []
    advice = [line["event"] for line in lines if line["log_level"] == "warning"]
    assert len(advice) == 1
    assert "the end of a session was rolled back" in advice[0]
    assert "@commits_on(" in advice[0]


@pytest.mark.parametrize("status", [401, 409])
async def test_a_login_in_steps_keeps_its_step(house: House, status: int) -> None:
    async with house.client() as visitor:
        answer = await visitor.http.post(f"{VIEWS}/declared/begin/?status={status}")
        assert answer.status_code == status
        assert (await visitor.http.get(f"{VIEWS}/step/")).json() == {"step": "code"}
    async with house.client() as visitor:
        answer = await visitor.http.post(f"/api/declared/begin/{status}")
        assert answer.status_code == status
        assert (await visitor.http.get(f"{VIEWS}/step/")).json() == {"step": "code"}


@pytest.mark.parametrize(
    "path", [f"{VIEWS}/undeclared/begin/", f"{VIEWS}/declared/begin/?status=403"]
)
async def test_a_step_whose_refusal_is_not_declared_is_lost(
    house: House, path: str, lines: list[MutableMapping[str, Any]]
) -> None:
    async with house.client() as visitor:
        await visitor.http.post(path)
        assert (await visitor.http.get(f"{VIEWS}/step/")).json() == {"step": None}
    assert [line["event"] for line in lines if line["log_level"] == "warning"] != []


@pytest.mark.parametrize(
    ("path", "status", "kept"),
    [
        ("/api/declared/tags/new/401", 401, 1),
        ("/api/declared/tags/new/409", 409, 1),
        ("/api/declared/tags/new/403", 403, 0),
        ("/api/undeclared/tags/new/401", 401, 0),
        # What the database refused is nobody's decision, and no outcome.
        ("/api/declared/twice/new", 409, 0),
        ("/api/declared/caught/new", 409, 0),
        (f"{VIEWS}/declared/twice/", 409, 0),
    ],
)
async def test_only_a_declared_refusal_of_ones_own_is_kept(
    house: House, path: str, status: int, kept: int
) -> None:
    async with house.client() as visitor:
        assert (await visitor.http.post(path)).status_code == status
    assert await house.value("SELECT count(*) FROM stock_tag WHERE name IN ('new', 'kept')") == kept


async def test_routes_show_what_is_declared(house: House) -> None:
    lines = [
        Line.of(mounted.name, route)
        for mounted in house.app.mounts
        for route in mounted.list_routes()
    ]
    declared = {line.path.removesuffix("/"): line.commits_on for line in lines if line.commits_on}
    assert declared == {
        **{path.removesuffix("/"): (401,) for path in DECLARED if path.startswith("/admin")},
        f"{VIEWS}/declared/begin": (401, 409),
        f"{VIEWS}/declared/twice": (409,),
        "/desk/declared": (401,),
        **{
            f"/api/declared/{path}": (401, 409)
            for path in (
                "logout",
                "begin/{status}",
                "tags/{name}/{status}",
                "twice/{name}",
                "caught/{name}",
            )
        },
    }


@pytest.mark.parametrize("statuses", [(), (200,), (399,), (500,), (401, 302)])
def test_only_a_refusal_can_be_declared(statuses: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"commits_on|refusal"):
        commits_on(*statuses)


@pytest.mark.usefixtures("stock")
def test_views_of_packages_that_are_known_to_refuse_so_are_advised_on() -> None:
    from django.http import HttpRequest, HttpResponse
    from django.urls import include as include_urls
    from django.urls import path as url

    def view(_request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=401)

    view.__module__ = "allauth.headless.account.views"
    patterns = [url("auth/", include_urls([url("session", view)]))]
    advice = list(outcomes.find_undeclared(patterns))
    assert len(advice) == 1
    assert "views_commit_on(include(…), 401, 409)" in advice[0]
    outcomes.views_commit_on(patterns, 401, 409)
    assert list(outcomes.find_undeclared(patterns)) == []
    assert list(outcomes.find_undeclared()) == []
