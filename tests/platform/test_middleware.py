"""The promises of the middleware stack, each through the whole stack."""

import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from structlog.testing import capture_logs

from tests.platform.bare import ORIGIN, bare_root, client_of, mounted
from trivet.asgi.middleware.last_resort import server_error_response
from trivet.errors import Conflict, Unavailable
from trivet.log import configure_logging

pytestmark = pytest.mark.anyio


async def read_body(request: Request) -> Response:
    return JSONResponse({"bytes": len(await request.body())})


async def swallow_body(request: Request) -> Response:
    """An app that makes an excuse of its own when the body cannot be read."""
    try:
        await request.body()
    except Exception:  # noqa: BLE001  # that is the bad habit which this app stands for
        return PlainTextResponse("never mind", 400)
    return PlainTextResponse("fine")


async def whoami(request: Request) -> Response:
    return JSONResponse({"authenticated": request.user.is_authenticated})


async def lose(request: Request) -> Response:
    raise LookupError("the password is swordfish")


async def conflict(request: Request) -> Response:
    raise Conflict("taken", "Someone sits there.", seat="12A")


async def unavailable(request: Request) -> Response:
    raise Unavailable("later", "Not now.", retry_after=7)


async def own_policy(request: Request) -> Response:
    return PlainTextResponse("", headers={"content-security-policy": "default-src 'none'"})


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    """The routes above without an error handling of their own, and a socket that greets."""
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()
        return
    await _APP(scope, receive, send)


_ROUTES = [
    Route("/body", read_body, methods=["POST"]),
    Route("/swallow", swallow_body, methods=["POST"]),
    Route("/whoami", whoami, methods=["GET", "POST"]),
    Route("/lose", lose),
    Route("/conflict", conflict),
    Route("/unavailable", unavailable),
    Route("/own-policy", own_policy),
]
_APP = Starlette(routes=_ROUTES).router


async def chunks(count: int, size: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


# ---- the last resort ----------------------------------------------------------------------


async def test_a_fault_of_ours_is_a_500_that_tells_nothing_but_the_request_id(
    tmp_path: Path, json_log: Callable[[], str]
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        response = await client.get("/app/lose")
    assert response.status_code == 500
    problem = response.json()
    assert problem["code"] == "internal"
    assert problem["request_id"] == response.headers["x-request-id"]
    assert "swordfish" not in response.text
    assert "LookupError" not in response.text
    log = json_log()
    assert "LookupError" in log
    assert problem["request_id"] in log


@pytest.mark.parametrize("refused", ["websocket.accept", "websocket.close"])
async def test_a_client_that_left_before_it_was_answered_is_no_fault_of_ours(
    tmp_path: Path, json_log: Callable[[], str], refused: str
) -> None:
    async def send(message: Message) -> None:
        if message["type"] == refused:
            raise OSError("the client has left")  # as the ASGI specification has it

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    root = bare_root(tmp_path, [mounted(plain, websocket=True)])
    headers = [(name.lower().encode(), value.encode()) for name, value in HOST.items()]
    scope = {"type": "websocket", "path": "/app/ws", "headers": headers, "subprotocols": []}
    await root(scope, receive, send)
    (line,) = map(json.loads, json_log().splitlines())
    assert (line["event"], line["method"]) == ("request", "WEBSOCKET")


async def test_with_debug_a_developer_sees_the_traceback(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)], debug=True)) as client:
        response = await client.get("/app/lose", headers={"accept": "text/plain"})
    assert response.status_code == 500
    assert "swordfish" in response.text
    assert "test_middleware.py" in response.text
    assert response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "status", "code", "header"),
    [
        ("/app/conflict", 409, "taken", ("content-type", "application/problem+json")),
        ("/app/unavailable", 503, "later", ("retry-after", "7")),
    ],
)
async def test_an_error_of_the_domain_has_its_own_status_from_any_app(
    tmp_path: Path, path: str, status: int, code: str, header: tuple[str, str]
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        response = await client.get(path)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers[header[0]] == header[1]


# ---- the access log -----------------------------------------------------------------------


async def test_a_request_leaves_one_line_with_mount_route_status_and_identity(
    tmp_path: Path, json_log: Callable[[], str]
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        await client.get("/app/whoami?token=hidden", headers={"cookie": "sessionid=hidden"})
    lines = [json.loads(line) for line in json_log().splitlines()]
    [line] = [line for line in lines if line["event"] == "request"]
    assert line["duration_ms"] >= 0
    assert {k: line[k] for k in ("method", "path", "mount", "route", "status", "identity")} == {
        "method": "GET",
        "path": "/app/whoami",
        "mount": "app",
        "route": "/whoami",
        "status": 200,
        "identity": "anonymous",
    }
    assert "hidden" not in json.dumps(lines)


@pytest.mark.parametrize(
    ("offered", "logged"),
    [
        ("from-the-proxy-1", "from-the-proxy-1"),
        ("0af7651916cd43dd8448eb211c80319c", "0af7651916cd43dd8448eb211c80319c"),
        ("short", None),
        ("x" * 129, None),
        ("with a space", None),
        ("née-1234", None),
    ],
)
async def test_the_callers_request_id_stands_beside_ours_and_is_never_taken_for_it(
    tmp_path: Path, json_log: Callable[[], str], offered: str, logged: str | None
) -> None:
    async with client_of(bare_root(tmp_path, [])) as client:
        response = await client.get("/healthz", headers=[(b"x-request-id", offered.encode())])
    (line,) = map(json.loads, json_log().splitlines())
    assert len(response.headers["x-request-id"]) == 32
    assert line["request_id"] == response.headers["x-request-id"] != offered
    assert line.get("client_request_id") == logged


# ---- limits -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/app/body", "/app/swallow"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413_whatever_the_app_makes_of_it(
    tmp_path: Path, path: str, announced: bool
) -> None:
    root = bare_root(tmp_path, [mounted(plain)], body_limit_bytes=2000)
    body = b"x" * 2001 if announced else chunks(21, 100)
    async with client_of(root) as client:
        response = await client.post(path, content=body)
    assert response.status_code == 413
    assert response.json()["limit_bytes"] == 2000


async def test_a_body_of_exactly_the_limit_passes(tmp_path: Path) -> None:
    root = bare_root(tmp_path, [mounted(plain)], body_limit_bytes=2000)
    async with client_of(root) as client:
        response = await client.post("/app/body", content=chunks(20, 100))
    assert response.json() == {"bytes": 2000}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("elsewhere.example", 400),
        ("localhost.elsewhere.example", 400),
        ("elsewhere.example:8000", 400),
        ("[::2]", 400),
        ("", 400),
    ],
)
async def test_a_host_that_is_not_ours_is_refused(tmp_path: Path, host: str, status: int) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        response = await client.get("/app/whoami", headers={"host": host})
        probe = await client.get("/healthz", headers={"host": host})
    assert response.status_code == status
    assert probe.status_code == 200
    if status == 400:
        assert response.json()["code"] == "unknown-host"


async def test_an_encoded_body_is_refused_before_anybody_unpacks_it(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        headers = {"content-encoding": "gzip"}
        response = await client.post("/app/body", content=b"bomb", headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize("length", ["-1", "1e3", "\u0663", ""])
async def test_a_content_length_that_is_no_number_is_400(tmp_path: Path, length: str) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        headers = [(b"content-length", length.encode())]
        response = await client.request("POST", "/app/body", content=b"", headers=headers)
    assert response.status_code == 400
    assert response.json()["code"] == "bad-content-length"


# ---- security headers ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/app/whoami", "localhost:8000", 200),
        ("/nowhere", "localhost:8000", 404),
        ("/app/lose", "localhost:8000", 500),
        ("/app/whoami", "elsewhere.example", 400),
    ],
)
async def test_every_response_has_the_security_headers(
    tmp_path: Path, path: str, host: str, status: int
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        response = await client.get(path, headers={"host": host})
    assert response.status_code == status
    assert "default-src 'self'" in response.headers["content-security-policy"]
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in response.headers


async def test_a_response_may_set_its_own_policy(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        own = await client.get("/app/own-policy")
    assert own.headers["content-security-policy"] == "default-src 'none'"


def test_the_page_of_a_traceback_may_bring_its_style_along() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"accept", b"text/html")]}
    page = server_error_response(scope, LookupError("swordfish"), debug=True)
    assert b"<style" in page.body
    assert "style-src 'unsafe-inline'" in page.headers["content-security-policy"]


async def test_https_is_made_to_stay(tmp_path: Path) -> None:
    async with client_of(bare_root(tmp_path, [], public_url="https://board.example")) as client:
        response = await client.get("/healthz")
    assert response.headers["strict-transport-security"] == "max-age=31536000"


# ---- the cross-site check -----------------------------------------------------------------

COOKIE = {"cookie": "sessionid=x"}
ELSEWHERE = {"origin": "https://elsewhere.example"}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", COOKIE | {"sec-fetch-site": "cross-site"}, 200),
        ("POST", COOKIE | {"sec-fetch-site": "cross-site"}, 403),
        ("POST", COOKIE | {"sec-fetch-site": "same-site"}, 403),
        ("POST", COOKIE | {"sec-fetch-site": "same-origin"}, 200),
        ("POST", COOKIE | {"sec-fetch-site": "none"}, 200),
        ("POST", COOKIE | ELSEWHERE, 403),
        ("POST", COOKIE | {"origin": "null"}, 403),
        ("POST", COOKIE | {"origin": ORIGIN}, 200),
        ("POST", COOKIE, 200),
        ("POST", ELSEWHERE, 403),
        ("POST", ELSEWHERE | {"authorization": "Bearer of-another-app"}, 200),
        ("POST", ELSEWHERE | COOKIE | {"authorization": "Bearer of-another-app"}, 403),
    ],
)
async def test_only_our_own_pages_act_with_a_cookie(
    tmp_path: Path, method: str, headers: dict[str, str], status: int
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        response = await client.request(method, "/app/whoami", headers=headers)
    assert response.status_code == status
    assert response.headers["x-request-id"]


HOST = {"host": "localhost:8000"}


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        (COOKIE | ELSEWHERE, False),
        (ELSEWHERE, True),
        (COOKIE | {"origin": "http://localhost:8000"}, True),
        (COOKIE, True),
    ],
)
def test_a_websocket_with_a_cookie_opens_for_our_own_pages_only(
    tmp_path: Path, headers: dict[str, str], accepted: bool
) -> None:
    client = TestClient(bare_root(tmp_path, [mounted(plain, "/ws", websocket=True)]))
    if accepted:
        with client.websocket_connect("/ws", headers=headers | HOST) as socket:
            assert socket.receive_text() == "hello"
    else:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/ws", headers=headers | HOST),
        ):
            pass


async def test_a_level_above_info_leaves_no_line_of_a_request(
    tmp_path: Path, json_log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream := io.StringIO())
        configure_logging(log_format="json", level="WARNING")
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        assert (await client.get("/app/whoami")).status_code == 200
        assert (await client.get("/app/lose")).status_code == 500
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "unhandled exception"
    ]


async def test_structlogs_own_way_to_capture_sees_the_line_of_a_request(
    tmp_path: Path, json_log: Callable[[], str]
) -> None:
    async with client_of(bare_root(tmp_path, [mounted(plain)])) as client:
        with capture_logs() as lines:
            await client.get("/app/whoami")
    assert [line["path"] for line in lines] == ["/app/whoami"]
    assert json_log() == ""


async def test_an_exceptions_text_cannot_write_to_the_terminal_of_who_reads_the_log(
    tmp_path: Path, json_log: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def quote(request: Request) -> Response:
        raise LookupError(request.query_params["name"])

    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream := io.StringIO())
        configure_logging(log_format="console")
    root = bare_root(tmp_path, [mounted(Starlette(routes=[Route("/quote", quote)]))])
    async with client_of(root) as client:
        answer = await client.get("/app/quote", params={"name": "\x1b[2Jred\x07\x9b"})
    assert answer.status_code == 500
    assert "\\x1b[2Jred\\x07\\x9b" in stream.getvalue()
    assert not {"\x1b", "\x07", "\x9b"} & set(stream.getvalue())


async def test_headers_may_be_any_iterable(tmp_path: Path) -> None:
    async def bare(_scope: Scope, _receive: Receive, send: Send) -> None:
        headers = iter([(b"x-bare", b"a")])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with client_of(bare_root(tmp_path, [mounted(bare, lifespan=False)])) as client:
        assert (await client.get("/app/")).headers["x-bare"] == "a"
