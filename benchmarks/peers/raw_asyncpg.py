"""asyncpg under an ASGI function: no framework, no ORM, no log. The limit of what one worker
of Python can do here; nobody should write a product like this."""

import re
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types
import msgspec
from starlette.types import Receive, Scope, Send

from benchmarks.peers.keys import POOL, database_url, is_good, split_bearer

KEY = """
    SELECT digest, is_active, expires_at, revoked_at
    FROM trivet_api_key JOIN accounts_user ON accounts_user.id = owner_id WHERE prefix = $1
"""
READ = "SELECT label, depot, grams, fragile, id FROM parcels_parcel WHERE id = $1"
LIST = "SELECT label, depot, grams, fragile, id FROM parcels_parcel ORDER BY id LIMIT 50"
WRITE = """
    INSERT INTO parcels_parcel (label, depot, grams, fragile) VALUES ($1, $2, $3, $4)
    RETURNING label, depot, grams, fragile, id
"""
PARCEL = re.compile(r"/parcels/(\d{1,9})")


class ParcelIn(msgspec.Struct):
    label: str
    depot: str
    grams: int
    fragile: bool


class App:
    def __init__(self) -> None:
        self.pool: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        prefix, digest = split_bearer(dict(scope["headers"]).get(b"authorization", b"").decode())
        async with self.pool.acquire() as connection:
            key = await connection.fetchrow(KEY, prefix)
            if key is None or not is_good(
                digest,
                key["digest"],
                is_active=key["is_active"],
                expires_at=key["expires_at"],
                revoked_at=key["revoked_at"],
            ):
                await answer(send, 401, {"code": "bad-credential"})
            elif scope["method"] == "POST":
                given = msgspec.json.decode(await read_body(receive), type=ParcelIn)
                row = await connection.fetchrow(WRITE, *msgspec.structs.astuple(given))
                await answer(send, 201, dict(row))
            elif scope["path"] == "/parcels":
                await answer(send, 200, [dict(row) for row in await connection.fetch(LIST)])
            elif match := PARCEL.fullmatch(scope["path"]):
                row = await connection.fetchrow(READ, int(match[1]))
                await answer(send, 200 if row else 404, dict(row or {}))
            else:
                await answer(send, 404, {})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with asyncpg.create_pool(database_url(), min_size=POOL, max_size=POOL) as self.pool:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def read_body(receive: Receive) -> bytes:
    """The whole body."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(send: Send, status: int, content: Any) -> None:
    """Send JSON."""
    body = msgspec.json.encode(content)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = App()
