"""Requests that ask for another protocol: whole as every other, unless it is a WebSocket's."""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.services.raw_http import CLOSE, talk
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_deploy.server.graceful import GracefulHttpProtocol
from trivet_deploy.server.upgrades import _BehindHead

pytestmark = pytest.mark.anyio

H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
"""As Java's HttpClient asks."""
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n" + KEY
NEXT = b"GET /next HTTP/1.1\r\n" + CLOSE
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells what it was asked, at /slow not at once, and accepts a WebSocket."""
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).accept()
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.2)
    body = (await Request(scope, receive).body()).decode()
    text = f"{scope['method']} {scope['path']} {body!r};"
    await PlainTextResponse(text)(scope, receive, send)


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    config = uvicorn.Config(
        app,
        port=0,
        http=GracefulHttpProtocol,
        ws=FramesProtocol,
        lifespan="off",
        log_config=None,
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


def head(method: bytes, path: bytes, *fields: bytes, version: bytes = b"1.1") -> bytes:
    return b"%s %s HTTP/%s\r\nHost: localhost\r\n%s\r\n" % (method, path, version, b"".join(fields))


def length(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n" % len(body)


CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n"
WHOLE = b"POST /first 'abcde';"

# what it is, the request, what is answered to it
WITH_BODIES: list[tuple[str, bytes, bytes, bytes]] = [
    ("h2c", head(b"POST", b"/first", H2C, length(b"abcde")), b"abcde", WHOLE),
    ("h2c in chunks", head(b"POST", b"/first", H2C, CHUNKED), CHUNKS, WHOLE),
    (
        "anything",
        head(b"POST", b"/first", b"Connection: upgrade\r\nUpgrade: x/1\r\n", length(b"abcde")),
        b"abcde",
        WHOLE,
    ),
    (
        "a WebSocket and something else",
        head(b"POST", b"/first", b"Upgrade: h2c\r\n", HANDSHAKE, length(b"abcde")),
        b"abcde",
        WHOLE,
    ),
    (
        "another request",
        head(b"POST", b"/first", H2C, length(SMUGGLED)),
        SMUGGLED,
        b"POST /first %s;" % repr(SMUGGLED.decode()).encode(),
    ),
    ("no body", head(b"GET", b"/first", H2C), b"", b"GET /first '';"),
    ("an empty body", head(b"POST", b"/first", H2C, length(b"")), b"", b"POST /first '';"),
]


@pytest.mark.parametrize("is_split", [False, True], ids=["at once", "in parts"])
@pytest.mark.parametrize(
    ("request_head", "body", "answer"),
    [pytest.param(*each[1:], id=each[0]) for each in WITH_BODIES],
)
async def test_who_asks_for_a_protocol_that_is_not_spoken_is_answered_as_everybody(
    request_head: bytes, body: bytes, answer: bytes, *, is_split: bool
) -> None:
    parts = [request_head, body[:3], body[3:], NEXT] if is_split else [request_head + body + NEXT]
    async with serving() as port:
        told = await talk(port, *parts, pause=0.05)
    bodies = [each.partition(b"\r\n\r\n")[2] for each in told.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [answer, b"GET /next '';"]


REFUSED = [
    pytest.param(head(b"GET", b"/", HANDSHAKE, length(b"abc")), id="a length"),
    pytest.param(head(b"GET", b"/", HANDSHAKE, length(b"abc")) + b"abc" + NEXT, id="a body"),
    pytest.param(head(b"GET", b"/", HANDSHAKE, CHUNKED), id="chunks"),
    pytest.param(head(b"GET", b"/", HANDSHAKE, CHUNKED) + b"0\r\n\r\n", id="no chunks"),
]


@pytest.mark.parametrize("handshake", REFUSED)
async def test_a_handshake_with_a_body_is_refused_at_once(handshake: bytes) -> None:
    async with serving() as port:
        answer = await talk(port, handshake)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


IMPOSSIBLE = [
    pytest.param(b"Transfer-Encoding: gzip\r\n", id="no chunks"),
    pytest.param(CHUNKED + length(b"abcde"), id="chunks and a length"),
    pytest.param(length(b"abcde") + length(b"abcd"), id="two lengths"),
]


@pytest.mark.parametrize("fields", IMPOSSIBLE)
async def test_a_body_whose_end_cannot_be_known_is_refused_before_it_is_served(
    fields: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving() as port:
        answer = await talk(port, head(b"POST", b"/first", H2C, fields) + b"abcde" + NEXT)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_a_handshake_does_not_get_in_before_the_answer_to_the_request_before_it() -> None:
    async with serving() as port:
        answer = await talk(port, head(b"GET", b"/slow") + head(b"GET", b"/", HANDSHAKE))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"GET /slow '';")


async def test_http_1_0_has_no_upgrades() -> None:
    async with serving() as port:
        answer = await talk(port, head(b"GET", b"/", HANDSHAKE, version=b"1.0"))
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "fields",
    [
        HANDSHAKE,
        HANDSHAKE + length(b""),
        b"connection: Upgrade\r\nConnection: keep-alive\r\nUpgrade: WebSocket\r\n" + KEY,
        b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" + KEY,
    ],
    ids=["plain", "length 0", "two lines", "a list"],
)
async def test_a_handshake_may_say_it_in_other_words(fields: bytes) -> None:
    async with serving() as port:
        answer = await talk(port, head(b"GET", b"/", fields))
    assert answer.startswith(b"HTTP/1.1 101 ")


def test_the_parent_has_what_is_done_in_its_place() -> None:
    parse = inspect.getsource(HttpToolsProtocol.data_received)
    for call in (
        "self._unset_keepalive_if_required()",
        "self.parser.feed_data(data)",
        "self._should_upgrade()",
        "self.handle_websocket_upgrade()",
    ):
        assert call in parse
    heard = {name for name in vars(HttpToolsProtocol) if name.startswith("on_")}
    heard -= {"on_response_complete"}  # of the answer
    assert heard == {name for name in dir(_BehindHead(Deaf())) if name.startswith("on_")}


class Deaf:
    def on_body(self, body: bytes) -> None: ...

    def on_message_complete(self) -> None: ...
