"""Clients that mean no good, over real sockets: the right answer, soon, and nothing kept."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.services.server import Server
from trivet_deploy.server.bounded_http import BoundedHttpProtocol

pytestmark = pytest.mark.anyio


class HastyProtocol(BoundedHttpProtocol):
    """As in production, with less patience."""

    head_seconds = 0.3


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        body = await Request(scope, receive).body()
        await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    config = uvicorn.Config(echo, port=0, http=HastyProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await task


async def talk(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Everything the server answers until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


CLOSE = b"Host: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"GET / HTTP/1.1\r\n",),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HT"),
    ],
)
async def test_a_head_that_is_never_finished_ends_in_408(parts: tuple[bytes, ...]) -> None:
    async with serving() as port:
        answer = await talk(port, *parts, pause=0.05)
    assert answer.rpartition(b"HTTP/1.1 ")[2].startswith(b"408 Request Timeout")


async def test_headers_without_end_are_431() -> None:
    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    async with serving() as port:
        answer = await talk(port, head, *[b"X-Long: " + b"x" * 8000 + b"\r\n"] * 9)
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_a_slow_body_and_a_second_request_are_served() -> None:
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n"
    async with serving() as port:
        answer = await talk(port, head, b"ab", b"cd", b"GET / HTTP/1.1\r\n" + CLOSE, pause=0.2)
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b"4 bytes" in answer


RAW = [
    (b"GET /healthz HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n", b"200"),
    (b"GET /api/ HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n", b"400"),
    (b"GET /api/ HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
    (b"GET /api/ HTTP/1.1\r\nX: a\r\n b\r\n" + CLOSE, b"400"),
    (b"GET /api/ HTTP/1.1\r\nX: a\x00b\r\n" + CLOSE, b"400"),
    (b"GET /departures/JFK\r\nX: injected HTTP/1.1\r\n" + CLOSE, b"4"),
    (b"GET /departures/%0d%0aX-Injected:1 HTTP/1.1\r\n" + CLOSE, b"404"),
    (b"GET /departures/%00 HTTP/1.1\r\n" + CLOSE, b"404"),
    (b"GET /departures/%ff%fe HTTP/1.1\r\n" + CLOSE, b"404"),
    (b"GET /admin?next=//elsewhere.example HTTP/1.1\r\n" + CLOSE, b"307"),
    (b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n" + CLOSE, b"4"),
    (b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 3000000\r\n" + CLOSE, b"413"),
    (
        b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n" + CLOSE,
        b"400",
    ),
    (
        b"POST /api/auth/login HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n"
        + CLOSE,
        b"400",
    ),
    (b"GET /api/auth/me HTTP/1.1\r\nCookie: sessionid=\x80\xff\r\n" + CLOSE, b"401"),
    (b"GET /api/auth/me HTTP/1.1\r\nCookie: sessionid=" + b"a" * 9000 + b"\r\n" + CLOSE, b"401"),
    (b"GET /api/auth/me HTTP/1.1\r\nAuthorization: Bearer tvt_\x80\r\n" + CLOSE, b"401"),
    (b"GET /api/departures/flights?cursor=%00 HTTP/1.1\r\n" + CLOSE, b"401"),
    (b"GET /api/departures/board/%00%00%00 HTTP/1.1\r\n" + CLOSE, b"422"),
    (
        b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nHost: localhost\r\n\r\n",
        b"4",
    ),
]


@pytest.mark.once
async def test_odd_requests_are_answered_with_a_4xx_and_the_server_goes_on(server: Server) -> None:
    for request, status in RAW:
        answer = await talk(server.port, request)
        line, _, rest = answer.partition(b"\r\n")
        assert line.split(b" ")[1].startswith(status), (request, answer[:200])
        assert b"X-Injected" not in rest.partition(b"\r\n\r\n")[0]
    alive = await talk(server.port, b"GET /healthz HTTP/1.1\r\n" + CLOSE)
    assert alive.startswith(b"HTTP/1.1 200 ")


def resident_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def children_of(pid: int) -> list[int]:
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.once
async def test_bodies_that_lie_about_their_length_leave_the_memory_as_it_was(
    server: Server,
) -> None:
    head = b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    end = b"0\r\n\r\nGET /healthz HTTP/1.1\r\n" + CLOSE
    chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    [worker] = await asyncio.to_thread(children_of, server.process.pid)
    await talk(server.port, head, *[chunk] * 4, end)
    before = await asyncio.to_thread(resident_bytes, worker)
    for _ in range(20):
        answer = await talk(server.port, head, *[chunk] * 4, end)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"HTTP/1.1 200 " in answer
    assert await asyncio.to_thread(resident_bytes, worker) - before < 40 * 2**20
