"""The limit of fan-out in Python: a frame that was made before, written to every transport.

No framework, no parser of frames, no back-pressure: what is left is uvloop and the system call.
"""

import asyncio
import base64
import hashlib
import sys
from typing import cast
from urllib.parse import parse_qs, urlsplit

import uvloop

KEY = "sec-websocket-key"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SOCKETS: "dict[Peer, None]" = {}


class Peer(asyncio.Protocol):
    """A connection: a request of HTTP, or a WebSocket after its handshake."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        SOCKETS.pop(self, None)

    def data_received(self, data: bytes) -> None:
        if self in SOCKETS:
            return
        head = data.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
        if "sec-websocket-key" in headers:
            key = next(line.split(": ")[1] for line in head if line.lower().startswith(KEY))
            digest = hashlib.sha1((key + GUID).encode()).digest()
            token = base64.b64encode(digest)
            self.transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n"
                b"connection: upgrade\r\nsec-websocket-accept: " + token + b"\r\n\r\n"
            )
            SOCKETS[self] = None
            return
        publish(head[0].split()[1])
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")


def publish(target: str) -> None:
    """Send what ``/publish?count=1&size=200`` asks for; any other target is a page."""
    asked = parse_qs(urlsplit(target).query)
    if not asked:
        return
    size = int(asked["size"][0])
    payload = b"@" + b"x" * (size - 1)
    frame = bytes((0x81, 126)) + len(payload).to_bytes(2, "big") + payload
    for _ in range(int(asked["count"][0])):
        for peer in SOCKETS:
            peer.transport.write(frame)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Peer, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
