"""Connections by the transports without a WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from tests.realtime.house import SECONDS, House

CONNECT = {"id": 1, "connect": {}}


class Response:
    """The beginning of a response, and its body as it comes (in chunks)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.status = 0
        self.headers: dict[str, str] = {}
        self._rest = b""

    async def read_head(self) -> None:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), SECONDS)
        first, *lines = head.decode().strip().split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }

    async def read_chunk(self) -> bytes:
        """The next chunk; empty at the end of the body."""
        size = int(await asyncio.wait_for(self.reader.readline(), SECONDS), 16)
        chunk = await asyncio.wait_for(self.reader.readexactly(size + 2), SECONDS)
        return chunk[:-2]

    async def read_until(self, mark: bytes) -> bytes:
        """What comes before the next `mark`; EOFError at the end of the body."""
        while mark not in self._rest:
            chunk = await self.read_chunk()
            if not chunk:
                raise EOFError
            self._rest += chunk
        found, _, self._rest = self._rest.partition(mark)
        return found


class Stream:
    """A client by a stream of one of the two kinds."""

    def __init__(self, house: House, kind: str, response: Response) -> None:
        self.house = house
        self.kind = kind
        self.response = response
        self.session = self.node = ""

    async def receive(self) -> Any:
        """The next object. Raises EOFError if there will be none."""
        if self.kind == "http_stream":
            return json.loads(await self.response.read_until(b"\n"))
        event = (await self.response.read_until(b"\n\n")).decode().strip()
        assert event.startswith("data: "), event
        return json.loads(event.removeprefix("data: "))

    async def connected(self) -> Any:
        """The answer to the first command."""
        result = (await self.receive())["connect"]
        self.session, self.node = result["session"], result["node"]
        return result

    async def send(self, *objects: Any, **changes: str) -> int:
        """Send objects by a request, and return its status."""
        data = "\n".join(json.dumps(each) for each in objects)
        body = {"session": self.session, "node": self.node, "data": data, **changes}
        return await post(self.house, "/ws/emulation", json.dumps(body).encode())

    async def ask(self, command: Any) -> Any:
        assert await self.send(command) == 204
        return await self.receive()


@asynccontextmanager
async def request(
    house: House, method: str, path: str, body: bytes = b"", badge: str = ""
) -> AsyncIterator[Response]:
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{house.port}\r\n"
    head += f"content-length: {len(body)}\r\n" + (f"x-badge: {badge}\r\n" if badge else "")
    writer.write(head.encode() + b"\r\n" + body)
    response = Response(reader, writer)
    try:
        await response.read_head()
        yield response
    finally:
        writer.close()


async def post(house: House, path: str, body: bytes) -> int:
    async with request(house, "POST", path, body) as response:
        return response.status


@asynccontextmanager
async def opened(house: House, kind: str, *commands: Any, badge: str = "") -> AsyncIterator[Stream]:
    first = "\n".join(json.dumps(each) for each in commands or (CONNECT,))
    if kind == "http_stream":
        asked = request(house, "POST", "/ws/http_stream", first.encode(), badge)
    else:
        asked = request(house, "GET", f"/ws/sse?cf_connect={quote(first)}", badge=badge)
    async with asked as response:
        assert response.status == 200
        yield Stream(house, kind, response)
