"""Clients that mean no good, over real sockets: the right answer, soon, and nothing kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from tests.services.children import children_of, resident_bytes
from tests.services.raw_http import CLOSE, talk
from tests.services.server import Server, StartServer
from trivet_deploy.server.bounded_http import BoundedHttpProtocol

pytestmark = pytest.mark.anyio


class HastyProtocol(BoundedHttpProtocol):
    """As in production, with less patience."""

    head_seconds = 0.3
    rest_seconds = 0.5


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http" and scope["path"] == "/early":
        await PlainTextResponse("no such thing", 404)(scope, receive, send)
    elif scope["type"] == "http":
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
        assert b"connection: close\r\n" in answer
        assert b"HTTP/1.1 200 " not in answer, "what is announced as closed answers nothing more"
    assert await asyncio.to_thread(resident_bytes, worker) - before < 40 * 2**20


async def test_an_answer_before_the_end_of_the_body_does_not_keep_the_connection() -> None:
    head = b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx"
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        trickle = asyncio.create_task(_trickle(writer))
        async with asyncio.timeout(20):
            answer = await reader.read()
        await trickle
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert answer.count(b"HTTP/1.1") == 1


async def _trickle(writer: asyncio.StreamWriter) -> None:
    """A byte now and then, until nobody takes it."""
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.1)


async def test_a_body_that_goes_on_after_its_answer_is_followed_by_the_next_request() -> None:
    head = b"POST /early HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nx"
    async with serving() as port:
        answer = await talk(port, head, b"xx", b"GET / HTTP/1.1\r\n" + CLOSE, pause=0.1)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"HTTP/1.1 200 " in answer


SENDERS = 200


@pytest.mark.once
async def test_bodies_that_are_never_finished_hold_no_more_than_their_bound(
    start_server: StartServer,
) -> None:
    server = await asyncio.to_thread(
        start_server,
        "serve",
        "--workers=2",
        body_seconds="3",
        held_bodies_bytes=str(16 * 2**20),
    )
    size = 2_000_000
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    workers = await asyncio.to_thread(children_of, server.process.pid)
    before = await asyncio.to_thread(lambda: sum(map(resident_bytes, workers)))

    async def send_most() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            writer.write(head.encode() + b"x" * (size - 50_000))
            async with asyncio.timeout(60):
                return await reader.read()
        except ConnectionResetError:
            return b""
        finally:
            writer.close()

    async with asyncio.TaskGroup() as group:
        senders = [group.create_task(send_most()) for _ in range(SENDERS)]
        alive = await talk(server.port, b"GET /healthz HTTP/1.1\r\n" + CLOSE)
    answers = [sender.result() for sender in senders]
    assert alive.startswith(b"HTTP/1.1 200 ")
    assert {answer[:12] for answer in answers if answer} == {b"HTTP/1.1 408", b"HTTP/1.1 503"}
    assert all(b"connection: close" in answer for answer in answers if answer)
    grown = await asyncio.to_thread(lambda: sum(map(resident_bytes, workers))) - before
    # Two bounds, what the server reads ahead for each connection, and what the heap keeps.
    assert grown < 2 * 16 * 2**20 + SENDERS * 2**17 + 64 * 2**20
