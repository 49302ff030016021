"""Whoever is cancelled while a connection is made for it leaves none behind at the server.

A stand-in of PostgreSQL answers as far as it is told to, and counts who is connected. Nothing is
collected meanwhile: a server collects seldom.
"""

import asyncio
import gc
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.platform.bare import bare_platform

pytestmark = [pytest.mark.once, pytest.mark.anyio]

START = 196608
CANCEL = 80877102
OK = b"R" + struct.pack("!II", 8, 0)
KEY = b"K" + struct.pack("!III", 12, 7, 7)
READY = b"Z" + struct.pack("!I", 5) + b"I"


def message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


CANCELLED = message(b"E", b"SERROR\0VERROR\0C57014\0Mcancelled\0\0")
VERSION = message(b"S", b"server_version\x0018.0\0")
UTC = message(b"S", b"TimeZone\0UTC\0")


class StandIn:
    """Says `greeting` to who begins a session, and then nothing; None: nothing at all."""

    def __init__(self, greeting: bytes | None) -> None:
        self.greeting = greeting
        self.sessions: list[asyncio.StreamWriter] = []
        self.asked = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!I", await reader.readexactly(4))
        (code,) = struct.unpack("!I", (await reader.readexactly(length - 4))[:4])
        if code == CANCEL:
            for each in self.sessions:
                each.write(CANCELLED + READY)
        elif code == START:
            self.sessions.append(writer)
            if self.greeting is None:
                self.asked.set()
            else:
                writer.write(self.greeting)
            while await reader.read(4096):
                self.asked.set()
            self.sessions.remove(writer)
        writer.close()


@pytest.fixture(autouse=True)
def _no_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(
    params=[
        pytest.param(None, id="before the first word"),
        pytest.param(OK + VERSION + KEY + READY, id="while its time zone is set"),
        pytest.param(OK + VERSION + UTC + KEY + READY, id="while its time limit is set"),
    ]
)
async def stand_in(request: pytest.FixtureRequest) -> AsyncIterator[tuple[StandIn, str]]:
    stand_in = StandIn(request.param)
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    options = "sslmode=disable&gssencmode=disable"
    async with server:
        yield stand_in, f"postgresql://somebody@127.0.0.1:{port}/anything?{options}"


async def test_a_cancelled_connection_is_closed_at_once(
    tmp_path: Path, stand_in: tuple[StandIn, str]
) -> None:
    server, address = stand_in
    platform = bare_platform(tmp_path, database_url=address)

    async def use() -> None:
        async with platform.database.engine.connect():
            pass

    using = asyncio.create_task(use())
    await server.asked.wait()
    assert len(server.sessions) == 1
    using.cancel()
    await asyncio.wait([using])
    assert using.cancelled()
    async with asyncio.timeout(10):
        while server.sessions:  # noqa: ASYNC110  # a socket has no event
            await asyncio.sleep(0.01)
    await platform.database.close()
