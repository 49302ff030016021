"""A server that stops answers what was on its way, over real sockets, and says that it goes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from trivet_deploy.server.graceful import GracefulHttpProtocol, GracefulServer

pytestmark = pytest.mark.anyio

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PATIENCE = 20.0
"""Seconds after which a silent server has failed. No claim rests on it."""


class HastyProtocol(GracefulHttpProtocol):
    """As in production, with less patience."""

    silent_seconds = 0.3


class StagedServer(GracefulServer):
    """As in production, with something that happens in the turn in which it begins to stop."""

    before_shutdown: Callable[[], None] | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.before_shutdown is not None:
            self.before_shutdown()
        await super().shutdown(sockets)


@dataclass
class Stage:
    """A server, and the doors of its application: `/slow` begins, and ends when it may."""

    port: int
    server: StagedServer
    task: asyncio.Task[None]
    may_end: asyncio.Event

    async def stop(self) -> None:
        """Have it begin to stop, and return when nothing can connect any more."""
        self.server.should_exit = True
        while any(each.sockets for each in self.server.servers):  # noqa: ASYNC110  # as below
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # its connections have been told, and closed if they are to be


@asynccontextmanager
async def serving(shutdown_seconds: int = 10) -> AsyncIterator[Stage]:
    may_end = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != "/slow":
            body = await Request(scope, receive).body()
            await PlainTextResponse(f"{len(body)} bytes")(scope, receive, send)
            return
        length = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": b"so", "more_body": True})
        await may_end.wait()
        await send({"type": "http.response.body", "body": b"on"})

    config = uvicorn.Config(
        app,
        http=HastyProtocol,
        lifespan="off",
        log_config=None,
        timeout_graceful_shutdown=shutdown_seconds,
    )
    server = StagedServer(config)
    listener = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve([listener]))
    while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield Stage(listener.getsockname()[1], server, task, may_end)
    server.should_exit = True
    async with asyncio.timeout(PATIENCE):
        await task


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    def write(self, data: bytes) -> None:
        self._writer.write(data)

    async def send(self, data: bytes) -> None:
        self.write(data)
        await self._writer.drain()

    async def until(self, text: bytes) -> bytes:
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(text)

    async def rest(self) -> bytes:
        """What still comes before the server closes."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()


@asynccontextmanager
async def connected(stage: Stage) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", GET),
        (GET, GET),
        (GET[:20], GET[20:]),
        (GET + GET[:20], GET[20:]),
        (b"", GET.replace(b"GET", b"POST")[:-2] + b"Content-Length: 3\r\n\r\nabc"),
    ],
    ids=["new", "kept", "half", "kept and half", "with a body"],
)
async def test_a_request_that_comes_while_the_server_stops_is_answered_as_the_last(
    before: bytes, after: bytes
) -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(before)
        if before.startswith(GET):
            assert b"connection: close" not in await client.until(b"bytes")
        await stage.stop()
        await client.send(after)
        answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer
    assert answer.endswith(b"bytes")


async def test_an_answer_that_did_not_announce_a_close_is_followed_by_one_that_does() -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(GET.replace(b"/", b"/slow", 1))
        assert b"connection: close" not in await client.until(b"so")
        await stage.stop()
        stage.may_end.set()
        assert await client.until(b"on") == b"on"
        await client.send(GET)
        assert b"connection: close" in await client.rest()


async def test_a_request_that_was_begun_is_finished_however_long_the_silence_is() -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(GET[:20])
        await stage.stop()
        await asyncio.sleep(3 * HastyProtocol.silent_seconds)
        await client.send(GET[20:])
        assert b"200" in await client.rest()


@pytest.mark.parametrize("before", [b"", GET], ids=["new", "kept"])
async def test_a_silent_connection_is_closed_and_the_server_ends(before: bytes) -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(before)
        if before:
            await client.until(b"bytes")
        stage.server.should_exit = True
        assert await client.rest() == b""
        async with asyncio.timeout(PATIENCE):
            await stage.task


async def test_what_arrives_at_the_moment_of_the_close_is_read_first() -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(GET)
        await client.until(b"bytes")
        await stage.stop()
        # Both calls are due when the loop turns again: the request arrives, and nobody has read it.
        loop = asyncio.get_running_loop()
        blocked = loop.time() + 2 * HastyProtocol.silent_seconds
        loop.call_later(0.001, client.write, GET)
        while loop.time() < blocked:
            pass
        assert b"200" in await client.rest()


async def test_what_waits_to_be_accepted_is_answered() -> None:
    async with serving() as stage:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket()) for _ in range(3)]

            def ask() -> None:
                for client in clients:
                    client.setblocking(False)
                    client.connect_ex(("127.0.0.1", stage.port))
                    client.send(GET)

            stage.server.before_shutdown = ask
            stage.server.should_exit = True
            async with asyncio.timeout(PATIENCE):
                await stage.task
            for client in clients:
                assert client.recv(1000).startswith(b"HTTP/1.1 200")


async def test_a_socket_that_opens_while_the_server_stops_is_sent_elsewhere() -> None:
    async with serving() as stage, connected(stage) as client:
        await client.send(GET)
        await client.until(b"bytes")
        await stage.stop()
        await client.send(UPGRADE)
        answer = await client.rest()
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"retry-after: 1" in answer


async def test_silence_does_not_outlast_the_time_to_stop() -> None:
    async with serving(shutdown_seconds=0) as stage, connected(stage) as client:
        await client.send(GET)
        await client.until(b"bytes")
        stage.server.should_exit = True
        assert await client.rest() == b""
