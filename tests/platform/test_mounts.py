"""Prefixes: what each mounted app sees of the path, and what never reaches it."""

from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, Router
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from tests.platform.bare import bare_platform, bare_root, client_of, mounted
from tests.platform.echo import echo
from trivet.asgi.root import build_root
from trivet.errors import ConfigurationError
from trivet.features import Feature

pytestmark = pytest.mark.anyio


HOST = {"host": "localhost:8000"}


@pytest.mark.parametrize(
    ("outer", "asked", "path", "root_path"),
    [
        ("", "/app/", "/app/", "/app"),
        ("", "/app/a/b", "/app/a/b", "/app"),
        ("/outer", "/outer/app/a", "/outer/app/a", "/outer/app"),
    ],
)
async def test_an_app_sees_the_whole_path_and_its_own_prefix_in_root_path(
    tmp_path: Path, outer: str, asked: str, path: str, root_path: str
) -> None:
    root = bare_root(tmp_path, [mounted(echo)])
    async with client_of(root, root_path=outer) as client:
        seen = (await client.get(asked)).json()
    assert (seen["path"], seen["root_path"]) == (path, root_path)


@pytest.mark.parametrize("outer", ["", "/outer"])
async def test_the_bare_prefix_of_a_page_moves_to_its_slash(tmp_path: Path, outer: str) -> None:
    root = bare_root(tmp_path, [mounted(echo)])
    async with client_of(root, root_path=outer) as client:
        response = await client.get(f"{outer}/app?page=2")
    assert response.status_code == 307
    assert response.headers["location"] == f"{outer}/app/?page=2"


@pytest.mark.parametrize("path", ["/ws", "/ws/", "/ws/deeper"])
def test_a_websocket_is_served_at_the_bare_prefix_too(tmp_path: Path, path: str) -> None:
    client = TestClient(bare_root(tmp_path, [mounted(echo, "/ws", websocket=True)]))
    with client.websocket_connect(path, headers=HOST) as socket:
        assert socket.receive_json()["root_path"] == "/ws"


@pytest.mark.parametrize("path", ["/app", "/app/", "/app/live", "/nowhere", "/healthz"])
def test_a_websocket_to_an_app_that_serves_none_is_refused_before_the_app(
    tmp_path: Path, path: str
) -> None:
    reached: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope["type"])

    client = TestClient(bare_root(tmp_path, [mounted(app)]))
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers=HOST):
        pass
    assert reached == []


async def test_an_unknown_path_is_a_problem_document_with_the_request_id(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(echo)])) as client:
        response = await client.get("/nowhere")
    request_id = response.headers["x-request-id"]
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "code": "no-such-page",
        "detail": "There is nothing at /nowhere.",
        "request_id": request_id,
    }


async def test_a_wrong_method_on_a_probe_is_a_problem_document(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [])) as client:
        response = await client.post("/healthz")
    assert response.status_code == 405
    assert response.json()["code"] == "method-not-allowed"
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"


def test_two_apps_cannot_claim_one_prefix(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="both claim /app"):
        bare_root(tmp_path, [mounted(echo), mounted(echo)])


@pytest.mark.parametrize("prefix", ["/healthz", "/readyz", "/static"])
def test_no_app_takes_a_place_of_the_roots_own(tmp_path: Path, prefix: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the root and .* both claim {prefix}"):
        bare_root(tmp_path, [mounted(echo, prefix)])


@pytest.mark.parametrize("prefix", ["/", "app", "/app/"])
def test_a_prefix_that_would_swallow_or_miss_everything_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="must look like '/name'"):
        mounted(echo, prefix)


async def test_an_app_that_leaves_its_http_exceptions_to_us_is_answered_for(
    tmp_path: Path,
) -> None:
    """A bare router of Starlette's raises them, for an application around it to render."""

    async def gone(_request: Request) -> JSONResponse:
        raise HTTPException(410, "It is gone")

    root = bare_root(tmp_path, [mounted(Router([Route("/gone", gone)]))])
    async with client_of(root) as client:
        answer = await client.get("/app/gone")
    assert (answer.status_code, answer.json()["detail"]) == (410, "It is gone")
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_that_do_not_say_who_may_see_them_keep_the_application_from_starting(
    tmp_path: Path,
) -> None:
    platform = bare_platform(tmp_path, features=(Feature("house", "tests.api.open_door"),))
    with pytest.raises(ConfigurationError) as caught:
        build_root(platform, [])
    says = "These pages of house do not say who may see them: /hall, /cellar. Make them with"
    assert caught.value.detail.startswith(says)


@pytest.mark.parametrize("outer", ["", "/outer"])
async def test_a_path_that_only_begins_like_a_prefix_is_not_the_apps(
    tmp_path: Path, outer: str
) -> None:
    root = bare_root(tmp_path, [mounted(echo)])
    async with client_of(root, root_path=outer) as client:
        assert (await client.get(f"{outer}/apple")).status_code == 404
        assert (await client.get(f"{outer}/app/le")).status_code == 200
