"""WebSockets of raw bytes, for what no client library sends."""

import asyncio
import base64
import os
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.realtime.house import SECONDS, House


class Raw:
    """A WebSocket of bytes, after its handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, frame: bytes) -> None:
        self.writer.write(frame)

    async def receive(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next frame; IncompleteReadError at the end."""
        first, second = await asyncio.wait_for(self.reader.readexactly(2), SECONDS)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.reader.readexactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
        return first & 0x0F, await self.reader.readexactly(length)

    async def closing(self) -> int | None:
        """The code of the close frame that comes; None if the connection just ends."""
        try:
            while True:
                opcode, payload = await self.receive()
                if opcode == CLOSE:
                    return int(struct.unpack("!H", payload[:2])[0]) if payload else 1005
        except (asyncio.IncompleteReadError, ConnectionError):
            return None


TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
MASK = b"\x01\x02\x03\x04"


def frame(
    payload: bytes,
    opcode: int = TEXT,
    *,
    fin: bool = True,
    masked: bool = True,
    reserved: int = 0,
    length: int | None = None,
) -> bytes:
    """A frame as RFC 6455, 5.2 has it, or almost."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    size = len(payload) if length is None else length
    mark = 0x80 if masked else 0
    if size < 126:
        head += bytes([mark | size])
    elif size < 65536:
        head += bytes([mark | 126]) + struct.pack("!H", size)
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload))


CONNECT = frame(b'{"id":1,"connect":{}}')


async def shake_hands(port: int, path: str = "/") -> Raw:
    """A WebSocket of this machine that was accepted."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    head = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nupgrade: websocket\r\n"
    head += f"connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n\r\n"
    writer.write(head.encode())
    assert b" 101 " in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
    return Raw(reader, writer)


@asynccontextmanager
async def raw(house: House) -> AsyncIterator[Raw]:
    socket = await shake_hands(house.port, "/ws")
    try:
        yield socket
    finally:
        socket.writer.close()
