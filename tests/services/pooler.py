"""A port that leads to PostgreSQL as a pooler does, as far as its clients can tell.

PgBouncer cannot be had from PyPI or npm. What Trivet recognises a pooler by is the number of a
process that is none of the server's, so that is what this changes, and nothing else.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

KEY_DATA = b"K\x00\x00\x00\x0c"
"""The head of PostgreSQL's message BackendKeyData; the process id follows."""


@asynccontextmanager
async def pooler_for(host: str | None, port: int | None) -> AsyncIterator[int]:
    """A port that leads to the server and changes the process id, as poolers do."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            head, found, rest = data.partition(KEY_DATA)
            target.write(head + found + b"\x7f\xff\xff\xff" + rest[4:] if found else data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, to_server), pump(from_server, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
