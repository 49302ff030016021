"""A wire between a client and its server, which a test can cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Carries bytes between `port` and `to_port` of the loopback interface while it is whole."""

    to_port: int
    port: int = 0
    is_cut: bool = False
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Reset every connection, and every new one, until `mend`."""
        self.is_cut = True
        for end in self._ends:
            end.transport.abort()

    def mend(self) -> None:
        self.is_cut = False

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            far = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._ends |= {writer, far[1]}
        await asyncio.gather(_copy(reader, far[1]), _copy(far[0], writer))
        self._ends -= {writer, far[1]}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def wire_to(port: int) -> AsyncIterator[Wire]:
    """A whole wire to `port`."""
    wire = Wire(to_port=port)
    server = await asyncio.start_server(wire.carry, "127.0.0.1")
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        wire.cut()
        server.close()
        await server.wait_closed()
