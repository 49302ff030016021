"""The WebSocket protocol of the server: what it takes over from uvicorn, and what it tells."""

import asyncio
import gc
import inspect
import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from tests.deploy.frames_served import App, served, transport_of, write_until_paused
from tests.realtime.house import eventually
from tests.services.certificates import certify
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_deploy.server.open_socket import OpenSocket
from trivet_realtime.frames import Frame

pytestmark = pytest.mark.anyio

ASKED = (
    "handle_connect",
    "handle_cont",
    "handle_ping",
    "pause_writing",
    "resume_writing",
    "run_asgi",
    "send_receive_event_to_app",
)
KEPT = (
    "app",
    "close_sent",
    "close_timeout",
    "close_timer",
    "conn",
    "connections",
    "curr_msg_data_type",
    "disconnected",
    "frames",
    "handle_parser_exception()",
    "handshake_complete",
    "initial_response",
    "queue",
    "scope",
    "transport",
)


def test_the_parent_has_what_is_overridden_and_used() -> None:
    for name in ASKED:
        assert inspect.isfunction(getattr(WebSocketsSansIOProtocol, name))
        assert name in vars(FramesProtocol)
    made = inspect.getsource(WebSocketsSansIOProtocol)
    assert [name for name in KEPT if f"self.{name}" not in made] == []
    assert 'self.queue.put_nowait({"type": "websocket.disconnect"' in made
    assert 'self.queue.put_nowait({"type": "websocket.receive"' in made
    assert "if self.close_timer is None:\n            self.transport.close()" in made


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 200_000])
async def test_a_prepared_message_is_one_text_message(size: int) -> None:
    async with served() as (app, port, _), connect(f"ws://127.0.0.1:{port}") as client:
        await eventually(lambda: app.socket)
        assert app.socket is not None
        app.socket.write(Frame(b"x" * size).message)
        assert await client.recv() == "x" * size


async def test_what_arrived_before_the_receiver_and_after_it_is_heard_in_order() -> None:
    async with served() as (app, port, _), connect(f"ws://127.0.0.1:{port}") as client:
        for number in range(100):
            await client.send(str(number))
        await client.send(b"binary")
        await eventually(lambda: len(app.ear.heard) == 101)
        assert app.ear.heard == [*map(str, range(100)), None]


async def test_a_peer_that_does_not_read_pauses_the_writer_and_its_reading_resumes_it() -> None:
    async with (
        served() as (app, port, _),
        connect(f"ws://127.0.0.1:{port}", max_queue=1, max_size=None) as client,
    ):
        socket, written = await write_until_paused(app)
        assert app.ear.events == ["paused"]
        assert socket.waiting_bytes > 0
        for _ in range(written):
            await client.recv()
        await eventually(lambda: socket.is_clear)
        assert app.ear.events == ["paused", "resumed"]
        assert socket.waiting_bytes == 0


async def test_a_socket_is_clear_while_the_kernel_has_everything_and_no_longer() -> None:
    async with (
        served() as (app, port, _),
        connect(f"ws://127.0.0.1:{port}", max_queue=1, max_size=None) as client,
    ):
        await eventually(lambda: app.socket)
        small = transport_of(app).get_extra_info("socket")
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        opened = app.socket
        assert opened is not None
        assert opened.descriptor == small.fileno()
        written = 0
        while not opened.waiting_bytes:
            assert opened.is_clear
            opened.write(Frame(b"x" * 5000).message)
            written += 1
        assert not opened.is_clear
        for _ in range(written):
            await client.recv()
        await eventually(lambda: opened.is_clear)
        assert opened.waiting_bytes == 0


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this host, and its key."""
    files = tmp_path / "localhost.pem", tmp_path / "localhost.key"
    certify("localhost", *files)
    return files


async def test_behind_tls_there_is_no_descriptor(certified: tuple[Path, Path]) -> None:
    """Bytes that went past the transport would not be encrypted."""
    trusted = await asyncio.to_thread(ssl.create_default_context, cafile=certified[0])
    async with (
        served(certified=certified) as (app, port, _),
        connect(f"wss://localhost:{port}", ssl=trusted) as client,
    ):
        await eventually(lambda: app.socket)
        assert app.socket is not None
        assert app.socket.descriptor == -1
        app.socket.write(Frame(b"encrypted").message)
        assert await client.recv() == "encrypted"


async def test_a_close_frame_comes_behind_all_that_waits() -> None:
    async with (
        served() as (app, port, _),
        connect(f"ws://127.0.0.1:{port}", max_queue=1, max_size=None) as client,
    ):
        socket, written = await write_until_paused(app)
        socket.end(3008, "slow", Frame(b"last words").message)
        received: list[str | bytes] = []
        with suppress(ConnectionClosed):
            while True:
                received.append(await client.recv())
        assert [len(each) for each in received] == [50_000] * written + [10]
        assert (client.close_code, client.close_reason) == (3008, "slow")


async def test_a_peer_that_never_reads_again_is_cut_after_the_close() -> None:
    async with (
        served() as (app, port, server),
        connect(f"ws://127.0.0.1:{port}", max_queue=1, close_timeout=0.1),
    ):
        await eventually(lambda: app.socket)
        socket = app.socket
        assert isinstance(socket, OpenSocket)
        socket.close_timeout = 0.2
        while "paused" not in app.ear.events:
            socket.write(Frame(b"x" * 50_000).message)
            await asyncio.sleep(0)
        socket.end(3008, "slow", b"")
        await eventually(lambda: not server.server_state.connections)
        assert app.ear.events[-1] == "lost"


async def test_a_server_that_stops_asks_the_receiver() -> None:
    async with served() as (app, port, server), connect(f"ws://127.0.0.1:{port}") as client:
        await eventually(lambda: app.socket)
        server.should_exit = True
        await eventually(lambda: "shut down" in app.ear.events)
        assert app.socket is not None
        app.socket.write(Frame(b"still here").message)
        assert await client.recv() == "still here"
        app.socket.end(3001, "shutdown", b"")
        await client.wait_closed()
        assert client.close_code == 3001


class Refusing(App):
    """Refuses every handshake, in words."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await WebSocket(scope, receive, send).send_denial_response(PlainTextResponse("No.", 403))


async def test_a_handshake_that_is_refused_in_words_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        async with served(Refusing()) as (_, port, _server):
            with pytest.raises(InvalidStatus) as refused:
                await connect(f"ws://127.0.0.1:{port}")
    answer = refused.value.response
    assert (answer.status_code, answer.body) == (403, b"No.")
    assert [record.message for record in caplog.records if record.name == "uvicorn.error"] == []


async def test_an_open_socket_has_no_task_and_a_stopping_server_waits_for_it() -> None:
    async with served() as (app, port, server), connect(f"ws://127.0.0.1:{port}") as client:
        await eventually(lambda: app.socket)
        state = server.server_state
        await eventually(lambda: not state.tasks)
        assert [id(each) for each in state.connections] == [id(app.socket)]
        server.should_exit = True
        await eventually(lambda: "shut down" in app.ear.events)
        assert app.ear.events == ["shut down"]
        assert app.socket is not None
        app.socket.end(3001, "shutdown", b"")
        await client.wait_closed()
        await eventually(lambda: not state.connections)
        assert app.ear.events[-1] == "lost"


async def test_an_idle_socket_keeps_no_parser_and_nothing_of_its_handshake() -> None:
    async with served() as (app, port, _):
        gc.collect()
        gc.disable()  # What is freed is freed at once, not when the collector comes.
        kinds = (FramesProtocol, ServerProtocol, Protocol)
        before = _count(*kinds)
        try:
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await eventually(lambda: app.socket)
                await client.send("one")
                await client.send(["in ", "fragments"])
                await eventually(lambda: app.ear.heard == ["one", "in fragments"])
                await eventually(lambda: _count(*kinds) <= before)
        finally:
            gc.enable()


def _count(*kinds: type) -> int:
    return sum(type(each) in kinds for each in gc.get_objects())


async def test_an_application_that_attaches_nothing_ends_its_socket_when_it_returns() -> None:
    class Brief(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            await socket.send_text("hello, and goodbye")

    async with served(Brief()) as (_, port, server), connect(f"ws://127.0.0.1:{port}") as client:
        assert await client.recv() == "hello, and goodbye"
        await client.wait_closed()
        await eventually(lambda: not server.server_state.connections)


async def test_an_application_that_fails_after_the_handshake_ends_its_socket() -> None:
    class Failing(App):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await super().__call__(scope, receive, send)
            raise ZeroDivisionError

    async with (
        served(Failing()) as (app, port, server),
        connect(f"ws://127.0.0.1:{port}") as client,
    ):
        await client.wait_closed()
        await eventually(lambda: not server.server_state.connections)
        assert app.ear.events == ["lost"]
