"""The WebSocket protocol of the server: what it takes over from uvicorn, and RFC 6455 on a wire."""

import asyncio
import gc
import inspect
import logging
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import Protocol
from websockets.server import ServerProtocol

from tests.realtime.house import eventually
from tests.services.certificates import certify
from tests.services.processes import free_port
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_deploy.server.open_socket import OpenSocket
from trivet_realtime.direct_socket import DirectSocket, find_direct_offer
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


class Ear:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str | None] = []
        self.events: list[str] = []

    def take(self, text: str | None) -> None:
        self.heard.append(text)

    def lose(self) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("paused")

    def resume_writing(self) -> None:
        self.events.append("resumed")

    def shut_down(self) -> None:
        self.events.append("shut down")


class App:
    """Accepts a WebSocket, attaches an ear and returns."""

    def __init__(self) -> None:
        self.ear = Ear()
        self.socket: DirectSocket | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await WebSocket(scope, receive, send).accept()
        await self.meet()
        offer = find_direct_offer(scope)
        assert offer is not None
        self.socket = offer.attach(lambda _socket: self.ear)

    async def meet(self) -> None:
        """What comes between the handshake and the receiver."""


class Plain(App):
    """Tells its ear what it receives by ASGI, as any application does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await WebSocket(scope, receive, send).accept()
        self.socket = cast("DirectSocket", find_direct_offer(scope))  # the protocol itself
        while (message := await receive())["type"] == "websocket.receive":
            self.ear.take(message.get("text"))
        self.ear.lose()


APPS = [pytest.param(App, id="attached"), pytest.param(Plain, id="plain ASGI")]


def transport_of(app: App) -> Any:
    """The transport of an application's socket."""
    protocol: Any = app.socket
    return protocol.transport if isinstance(protocol, FramesProtocol) else protocol._transport


@asynccontextmanager
async def served(
    app: App | None = None, certified: tuple[Path, Path] | None = None
) -> AsyncIterator[tuple[App, int, uvicorn.Server]]:
    app, port = app or App(), free_port()
    config = uvicorn.Config(
        app,
        port=port,
        ws=FramesProtocol,
        lifespan="off",
        log_config=None,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=certified and certified[0],
        ssl_keyfile=certified and certified[1],
    )
    if certified:
        await asyncio.to_thread(config.load)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield app, port, server
    finally:
        server.should_exit = True
        await task


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


async def write_until_paused(app: App) -> tuple[DirectSocket, int]:
    """The socket of `app`, and how many messages it took until its peer took no more."""
    await eventually(lambda: app.socket)
    socket = app.socket
    assert socket is not None
    written = 0
    while "paused" not in app.ear.events:
        socket.write(Frame(b"x" * 50_000).message)
        written += 1
        await asyncio.sleep(0)
    return socket, written


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


@pytest.mark.parametrize("kind", APPS)
async def test_pongs_that_a_peer_does_not_read_take_no_memory(kind: type[App]) -> None:
    async with served(kind()) as (app, port, _):
        reader, writer = await open_raw(app, port)
        outgoing = transport_of(app)
        small = outgoing.get_extra_info("socket")
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport: Any = writer.transport
        transport.pause_reading()
        for _ in range(100):
            writer.write(frame(PING, b"x" * 125) * 500)
            await writer.drain()
        writer.write(frame(PING, b"the last") + frame(TEXT, b"one"))
        await eventually(lambda: app.ear.heard == ["one"])
        assert outgoing.get_write_buffer_size() < 2**20
        transport.resume_reading()
        received = b""
        while not received.endswith(b"the last"):
            received = received[-8:] + await asyncio.wait_for(reader.read(65536), 30)
        writer.transport.abort()


@pytest.mark.parametrize("kind", APPS)
async def test_fragments_take_as_much_memory_as_their_text(kind: type[App]) -> None:
    async with served(kind()) as (app, port, _):
        _, writer = await open_raw(app, port)

        def begun() -> bytes:
            protocol: Any = app.socket
            if isinstance(protocol, OpenSocket):
                return bytes(protocol._message or b"")
            assert len(protocol.frames) <= 1
            return bytes(b"".join(protocol.frames))

        writer.write(frame(TEXT, b"on", fin=False) + frame(CONT, b"", fin=False) * 1000)
        await eventually(begun)
        writer.write(frame(CONT, b"e", fin=False) * 1000)
        await eventually(lambda: begun().endswith(b"e" * 1000))
        writer.write(frame(CONT, b""))
        await eventually(lambda: app.ear.heard == ["on" + "e" * 1000])
        writer.transport.abort()


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = True) -> bytes:
    """A frame of a client, as bytes (RFC 6455, 5.2)."""
    head = bytes([opcode | (0x80 if fin else 0)])
    length = len(payload)
    bit = 0x80 if masked else 0
    if length < 126:
        head += bytes([bit | length])
    elif length < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", length)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", length)
    mask = b"\x0f\xf0\x33\xcc" if masked else b""
    return head + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(payload)) if masked else head


async def shake_hands(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket as bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


TEXT, CONT, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10

# what is sent, what the receiver hears, the code of the server's close frame (None: it goes on)
WIRES: list[tuple[str, bytes, list[str | None], int | None]] = [
    ("a text", frame(TEXT, b"one"), ["one"], None),
    (
        "a text in fragments with a ping between",
        frame(TEXT, b"on", fin=False) + frame(PING, b"") + frame(CONT, b"e"),
        ["one"],
        None,
    ),
    ("a character cut in two by fragments",
     frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"\xa6"), ["æ"], None),
    ("an unasked pong", frame(PONG, b"x") + frame(TEXT, b"one"), ["one"], None),
    ("a flood of pings", frame(PING, b"x" * 125) * 500 + frame(TEXT, b"one"), ["one"], None),
    ("an unmasked frame", frame(TEXT, b"", masked=False), [], 1002),
    ("a continuation of nothing", frame(CONT, b"x"), [], 1002),
    ("a text within a text", frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), [], 1002),
    ("a ping of 126 bytes", frame(PING, b"x" * 126), [], 1002),
    ("a ping in fragments", frame(PING, b"x", fin=False), [], 1002),
    ("a reserved opcode", frame(3, b"x"), [], 1002),
    ("a reserved bit", frame(TEXT | 0x40, b"x"), [], 1002),
    ("bytes that are no UTF-8", frame(TEXT, b"\xff\xfe"), [], 1007),
    ("a close without a code", frame(CLOSE, b""), [], 1005),
    ("a close with a code", frame(CLOSE, struct.pack("!H", 1000)), [], 1000),
    ("a close with half a code", frame(CLOSE, b"\x03"), [], 1002),
]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "heard", "code"), [pytest.param(*each[1:], id=each[0]) for each in WIRES]
)
@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("kind", APPS)
async def test_what_is_on_the_wire_is_heard_or_ends_the_connection(
    sent: bytes, heard: list[str], code: int | None, bytewise: bool, kind: type[App]
) -> None:
    async with served(kind()) as (app, port, _):
        reader, writer = await open_raw(app, port)
        # A server that ends the connection in the middle would have the rest reset.
        step = 1 if bytewise and code is None and len(sent) < 1000 else len(sent)
        for start in range(0, len(sent), step):
            writer.write(sent[start : start + step])
            await asyncio.sleep(0)
        await eventually(lambda: app.ear.heard == heard)
        if code is not None:
            closing = await _find_close(reader)
            assert closing == (b"" if code == 1005 else struct.pack("!H", code))
            await eventually(lambda: "lost" in app.ear.events)
        writer.transport.abort()


async def open_raw(app: App, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket of raw bytes, to which the ear listens."""
    reader, writer = await shake_hands(port)
    await eventually(lambda: app.socket)
    return reader, writer


async def _find_close(reader: asyncio.StreamReader) -> bytes:
    """The code of the close frame among the server's control frames."""
    while True:
        first, second = await reader.readexactly(2)
        payload = await reader.readexactly(second & 0x7F)
        if first & 0x0F == CLOSE:
            return payload[:2]


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


async def test_a_peer_that_closes_and_reads_nothing_is_cut() -> None:
    async with served() as (app, port, server):
        _reader, writer = await open_raw(app, port)
        cast("asyncio.Transport", writer.transport).pause_reading()
        socket, _ = await write_until_paused(app)
        assert isinstance(socket, OpenSocket)
        socket.close_timeout = 0.2
        writer.write(frame(CLOSE, struct.pack("!H", 1000)))
        await eventually(lambda: not server.server_state.connections)
        assert app.ear.events[-1] == "lost"
        writer.transport.abort()


@pytest.mark.parametrize("cut", [0, 1, 3, 8, 9, 15, 20])
async def test_a_message_that_begins_before_the_receiver_goes_on_behind_it(cut: int) -> None:
    class Late(App):
        def __init__(self) -> None:
            super().__init__()
            self.attached = asyncio.Event()

        async def meet(self) -> None:
            await self.attached.wait()

    app = Late()
    async with served(app) as (_, port, _server):
        message = frame(TEXT, b"on", fin=False) + frame(CONT, b"e") + frame(TEXT, b"two")
        _reader, writer = await shake_hands(port)
        writer.write(message[:cut])
        await asyncio.sleep(0.05)  # It has arrived, mostly: both is right.
        app.attached.set()
        await eventually(lambda: app.socket)
        writer.write(message[cut:])
        await eventually(lambda: app.ear.heard == ["one", "two"])
        writer.transport.abort()
