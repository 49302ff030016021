"""Sockets of a server that is a process."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.services.server import Server

SECONDS = 30.0
"""How long a test waits for what comes at once. Polls, the cache and comparisons take longer in
these servers, so what comes in this time came by a message."""


@asynccontextmanager
async def socket(
    server: Server, key: str = "", headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    headers = {"authorization": f"Bearer {key}"} if key else headers or {}
    url = server.url.replace("http:", "ws:") + "/ws"
    async with connect(url, additional_headers=headers, proxy=None) as connection:
        await connection.send('{"id": 1, "connect": {}}')
        assert "connect" in json.loads(await connection.recv())
        yield connection


async def closing(connection: ClientConnection) -> int | None:
    """The code with which the server closes it."""
    try:
        async with asyncio.timeout(SECONDS):
            while True:
                await connection.recv()
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else None
