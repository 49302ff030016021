"""Policies: one object at routes, pages and channels, and no route class gets round them."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import fastapi
import httpx2
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse
from starlette.routing import Router
from starlette.types import Receive, Scope, Send

import trivet
import trivet.web
import trivet_api
import trivet_realtime
from tests.platform.bare import bare_platform, client_of
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.errors import ConfigurationError, Forbidden, Unauthenticated
from trivet.identity import ANONYMOUS, Identity
from trivet.identity.policy import Policy
from trivet_api.direct import DirectFirst
from trivet_api.include import include, list_frontends
from trivet_api.mount import mount as mount_api
from trivet_api.policy import list_routes
from trivet_api.problems import install_problems
from trivet_realtime.channels import ChannelRules, collect_rules
from trivet_realtime.codes import CommandError
from trivet_realtime.mount import list_routes as list_channels

pytestmark = pytest.mark.anyio


class SignedRoute(APIRoute):
    """As FastAPI's documents have it: the class looks at the request before the endpoint does."""

    def get_route_handler(self) -> Any:
        handle = super().get_route_handler()

        async def signed(request: Request) -> Response:
            if request.headers.get("x-signature") != "good":
                raise HTTPException(401, "unsigned")
            return await handle(request)

        return signed


class CachedRoute(APIRoute):
    def get_route_handler(self) -> Any:
        async def cached(request: Request) -> Response:
            return PlainTextResponse("from the cache")

        return cached


class HandlingRoute(APIRoute):
    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("from elsewhere")(scope, receive, send)


async def book() -> str:
    return "booked"


def add_routes(router: APIRouter, policy: Policy) -> None:
    router.add_api_route("/paid", book, dependencies=[policy])
    router.add_api_route("/paid/{number}", book, methods=["POST"], dependencies=[policy])


def client(app: FastAPI, folder: Path) -> Any:
    install_problems(app)
    root = build_root(bare_platform(folder), [MountedApp("api", "/api", app, lifespan=False)])
    return client_of(root)


async def ask_all(app: FastAPI, folder: Path, **headers: str) -> set[tuple[int, str]]:
    async with client(app, folder) as http:
        answers: list[httpx2.Response] = [
            await http.get("/api/hooks/paid", headers=headers),
            await http.post("/api/hooks/paid/7", headers=headers),
        ]
    codes = {"application/problem+json": lambda answer: answer.json()["code"]}
    return {
        (a.status_code, codes.get(a.headers["content-type"], lambda answer: answer.text)(a))
        for a in answers
    }


async def test_a_route_keeps_the_class_that_its_router_gives_it(tmp_path: Path) -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(route_class=SignedRoute)
    add_routes(router, trivet.public)
    include(app, router, prefix="/hooks")
    assert await ask_all(app, tmp_path) == {(401, "unsigned")}
    assert await ask_all(app, tmp_path, **{"x-signature": "good"}) == {(200, '"booked"')}


@pytest.mark.parametrize("route_class", [CachedRoute, HandlingRoute, SignedRoute])
@pytest.mark.parametrize("deep", [False, True])
async def test_a_policy_is_asked_before_a_route_class_of_somebodys_own(
    tmp_path: Path, route_class: type[APIRoute], deep: bool
) -> None:
    app, router = FastAPI(openapi_url=None), APIRouter(route_class=route_class)
    add_routes(router, trivet.authenticated)
    if deep:
        router, inner = APIRouter(), router
        router.include_router(inner)
    include(app, router, prefix="/hooks")
    assert await ask_all(app, tmp_path) == {(401, "not-authenticated")}
    assert {route.policy for route in list_routes(app, "/api")} >= {"authenticated"}


async def test_a_policy_of_the_router_itself_is_asked_too(tmp_path: Path) -> None:
    app, router = (
        FastAPI(openapi_url=None),
        APIRouter(route_class=CachedRoute, dependencies=[trivet.staff]),
    )
    add_routes(router, trivet.public)
    include(app, router, prefix="/hooks")
    assert await ask_all(app, tmp_path) == {(401, "not-authenticated")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text("hello")
    return tmp_path


def test_files_that_no_policy_covers_do_not_start(folder: Path) -> None:
    app, bare = FastAPI(openapi_url=None), APIRouter()
    bare.frontend("/files", directory=folder)
    include(app, bare, prefix="/hooks")
    with pytest.raises(ConfigurationError, match="/api/hooks/files/"):
        list(list_frontends(app, "/api"))


@pytest.fixture
def serving_files(folder: Path) -> FastAPI:
    app = FastAPI(openapi_url=None)
    for policy, prefix in ((trivet.public, "/open"), (trivet.staff, "/closed")):
        router = APIRouter(dependencies=[policy])
        router.frontend("/files", directory=folder)
        include(app, router, prefix=prefix)
    return app


async def test_files_with_a_policy_are_listed_and_kept_from_whom_it_does_not_let_pass(
    folder: Path, serving_files: FastAPI
) -> None:
    listed = {route.path: route.policy for route in list_frontends(serving_files, "/api")}
    assert listed == {"/api/open/files/*": "public", "/api/closed/files/*": "staff"}
    async with client(serving_files, folder) as http:
        assert (await http.get("/api/closed/files/index.html")).status_code == 401


# ---- one object ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requires", "public", "staff", "authenticated"])
def test_a_policy_is_one_thing_wherever_it_is_imported(name: str) -> None:
    modules: list[ModuleType] = [trivet, trivet.web, trivet_api, trivet_realtime]
    assert len({id(getattr(module, name)) for module in modules}) == 1


def rules_of(*functions: Any) -> ChannelRules:
    module = ModuleType("desk.realtime")
    module.__dict__.update({each.__name__: each for each in functions})
    return collect_rules({"desk": module})


async def test_one_policy_covers_a_route_a_page_and_a_channel(tmp_path: Path) -> None:
    policy = trivet.requires("desk.open_drawer")

    @trivet_realtime.channel("desk:{drawer}", policy=policy)
    def watch(drawer: str) -> bool:
        return drawer != "locked"

    async def show(_request: Request) -> Response:
        return PlainTextResponse("a drawer")

    router, app = APIRouter(), FastAPI(openapi_url=None)
    router.add_api_route("/drawer", book, dependencies=[policy])
    router.add_api_route("/wrapped", book, dependencies=[fastapi.Depends(policy)])
    include(app, router)
    page, rules = trivet.web.page("/drawer", show, policy=policy), rules_of(watch)
    listed = [
        *list_routes(app, "/api"),
        *trivet.web.list_pages("desk", [page]),
        *(each for each in list_channels(rules) if each.methods == "SUBSCRIBE"),
    ]
    assert {route.policies for route in listed} == {(policy,)}
    assert len(listed) == 4
    assert policy.permissions == {"desk.open_drawer"}

    install_problems(app)
    mounts = [
        MountedApp("api", "/api", app, lifespan=False),
        MountedApp("desk", "/desk", Router([page]), lifespan=False),
    ]
    async with client_of(build_root(bare_platform(tmp_path), mounts)) as http:
        for path in ("/api/drawer", "/api/wrapped", "/desk/drawer"):
            assert (await http.get(path)).status_code == 401, path
    keeper = replace(NOBODY, kind="session", permissions=frozenset({"desk.open_drawer"}))
    rules.find_access("desk:top").require(keeper)
    with pytest.raises(Unauthenticated):
        rules.find_access("desk:top").require(ANONYMOUS)
    with pytest.raises(Forbidden):
        rules.find_access("desk:top").require(NOBODY)
    with pytest.raises(CommandError):
        rules.find_access("desk:locked").require(keeper)


def test_policies_are_equal_when_they_mean_the_same() -> None:
    assert trivet.requires("desk.open_drawer") == trivet.requires("desk.open_drawer")
    assert trivet.requires("desk.open_drawer") != trivet.requires("desk.view_drawer")
    assert Policy("public", lambda _identity: None) != trivet.public


NOBODY = Identity(user_id=1, username="nobody", kind="session")


def test_what_is_no_policy_is_refused_where_it_is_written() -> None:
    nothing: Any = "public"
    with pytest.raises(TypeError, match="not 'public'"):
        trivet_realtime.channel("desk:{drawer}", policy=nothing)
    with pytest.raises(TypeError, match="not 'public'"):
        trivet.web.page("/drawer", book, policy=nothing)


# ---- the gates ----------------------------------------------------------------------------


def mounted_api(folder: Path, **settings: Any) -> Any:
    app: Any = mount_api(bare_platform(folder, **settings)).app
    return app.answer


async def test_answers_are_direct_unless_a_setting_says_no(tmp_path: Path) -> None:
    assert isinstance(mounted_api(tmp_path), DirectFirst)
    assert isinstance(mounted_api(tmp_path, direct_answers=False), FastAPI)


@pytest.mark.parametrize("version", ["0.164.9", "0.166.0", "1.0.0"])
async def test_on_a_fastapi_that_was_not_proved_fastapi_itself_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    monkeypatch.setattr(fastapi, "__version__", version)
    assert isinstance(mounted_api(tmp_path), FastAPI)
    app, router = FastAPI(openapi_url=None), APIRouter(dependencies=[trivet.authenticated])
    add_routes(router, trivet.public)
    include(app, router, prefix="/hooks")
    assert not hasattr(app.router.routes[0], "path")
    assert await ask_all(app, tmp_path) == {(401, "not-authenticated")}
