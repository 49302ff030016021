"""RFC 6455 on a wire: what a peer sends that no client library does, or does not read."""

import asyncio
import socket
import struct
from typing import Any, cast

import pytest

from tests.deploy.frames_served import APPS, App, served, transport_of, write_until_paused
from tests.realtime.house import eventually
from tests.realtime.raw import CLOSE, CONTINUATION, PING, PONG, TEXT, Raw, frame, shake_hands
from trivet_deploy.server.open_socket import OpenSocket

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", APPS)
async def test_pongs_that_a_peer_does_not_read_take_no_memory(kind: type[App]) -> None:
    async with served(kind()) as (app, port, _):
        peer = await open_raw(app, port)
        outgoing = transport_of(app)
        small = outgoing.get_extra_info("socket")
        small.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport: Any = peer.writer.transport
        transport.pause_reading()
        for _ in range(100):
            peer.send(frame(b"x" * 125, PING) * 500)
            await peer.writer.drain()
        peer.send(frame(b"the last", PING) + frame(b"one"))
        await eventually(lambda: app.ear.heard == ["one"])
        assert outgoing.get_write_buffer_size() < 2**20
        transport.resume_reading()
        received = b""
        while not received.endswith(b"the last"):
            received = received[-8:] + await asyncio.wait_for(peer.reader.read(65536), 30)
        peer.writer.transport.abort()


@pytest.mark.parametrize("kind", APPS)
async def test_fragments_take_as_much_memory_as_their_text(kind: type[App]) -> None:
    async with served(kind()) as (app, port, _):
        peer = await open_raw(app, port)

        def begun() -> bytes:
            protocol: Any = app.socket
            if isinstance(protocol, OpenSocket):
                return bytes(protocol._message or b"")
            assert len(protocol.frames) <= 1
            return bytes(b"".join(protocol.frames))

        peer.send(frame(b"on", TEXT, fin=False) + frame(b"", CONTINUATION, fin=False) * 1000)
        await eventually(begun)
        peer.send(frame(b"e", CONTINUATION, fin=False) * 1000)
        await eventually(lambda: begun().endswith(b"e" * 1000))
        peer.send(frame(b"", CONTINUATION))
        await eventually(lambda: app.ear.heard == ["on" + "e" * 1000])
        peer.writer.transport.abort()


async def open_raw(app: App, port: int) -> Raw:
    """A WebSocket of raw bytes, to which the ear listens."""
    peer = await shake_hands(port)
    await eventually(lambda: app.socket)
    return peer


# what is sent, what the receiver hears, the code of the server's close frame (None: it goes on)
WIRES: list[tuple[str, bytes, list[str | None], int | None]] = [
    ("a text", frame(b"one"), ["one"], None),
    (
        "a text in fragments with a ping between",
        frame(b"on", TEXT, fin=False) + frame(b"", PING) + frame(b"e", CONTINUATION),
        ["one"],
        None,
    ),
    ("a character cut in two by fragments",
     frame(b"\xc3", TEXT, fin=False) + frame(b"\xa6", CONTINUATION), ["æ"], None),
    ("an unasked pong", frame(b"x", PONG) + frame(b"one"), ["one"], None),
    ("a flood of pings", frame(b"x" * 125, PING) * 500 + frame(b"one"), ["one"], None),
    ("an unmasked frame", frame(b"", TEXT, masked=False), [], 1002),
    ("a continuation of nothing", frame(b"x", CONTINUATION), [], 1002),
    ("a text within a text", frame(b"x", TEXT, fin=False) + frame(b"y", TEXT), [], 1002),
    ("a ping of 126 bytes", frame(b"x" * 126, PING), [], 1002),
    ("a ping in fragments", frame(b"x", PING, fin=False), [], 1002),
    ("a reserved opcode", frame(b"x", 3), [], 1002),
    ("a reserved bit", frame(b"x", reserved=4), [], 1002),
    ("bytes that are no UTF-8", frame(b"\xff\xfe", TEXT), [], 1007),
    ("a close without a code", frame(b"", CLOSE), [], 1005),
    ("a close with a code", frame(struct.pack("!H", 1000), CLOSE), [], 1000),
    ("a close with half a code", frame(b"\x03", CLOSE), [], 1002),
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
        peer = await open_raw(app, port)
        # A server that ends the connection in the middle would have the rest reset.
        step = 1 if bytewise and code is None and len(sent) < 1000 else len(sent)
        for start in range(0, len(sent), step):
            peer.send(sent[start : start + step])
            await asyncio.sleep(0)
        await eventually(lambda: app.ear.heard == heard)
        if code is not None:
            assert await peer.closing() == code
            await eventually(lambda: "lost" in app.ear.events)
        peer.writer.transport.abort()


async def test_a_peer_that_closes_and_reads_nothing_is_cut() -> None:
    async with served() as (app, port, server):
        peer = await open_raw(app, port)
        cast("asyncio.Transport", peer.writer.transport).pause_reading()
        socket, _ = await write_until_paused(app)
        assert isinstance(socket, OpenSocket)
        socket.close_timeout = 0.2
        peer.send(frame(struct.pack("!H", 1000), CLOSE))
        await eventually(lambda: not server.server_state.connections)
        assert app.ear.events[-1] == "lost"
        peer.writer.transport.abort()


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
        message = frame(b"on", TEXT, fin=False) + frame(b"e", CONTINUATION) + frame(b"two", TEXT)
        peer = await shake_hands(port)
        peer.send(message[:cut])
        await asyncio.sleep(0.05)  # It has arrived, mostly: both is right.
        app.attached.set()
        await eventually(lambda: app.socket)
        peer.send(message[cut:])
        await eventually(lambda: app.ear.heard == ["one", "two"])
        peer.writer.transport.abort()
