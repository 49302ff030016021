"""Batches of movements copied into their table by asyncpg: no flight changes, nothing is checked
but the key. The limit of what one worker of Python can do with such a body."""

from datetime import UTC, datetime

import msgspec
from starlette.types import Receive, Scope, Send

from benchmarks.peers import raw_asyncpg
from benchmarks.peers.keys import is_good, split_bearer
from benchmarks.peers.raw_asyncpg import answer, read_body

KEY = """
    SELECT username, digest, is_active, expires_at, revoked_at
    FROM trivet_api_key JOIN accounts_user ON accounts_user.id = owner_id WHERE prefix = $1
"""
COLUMNS = ("sender", "reference", "kind", "flight_id", "at", "minutes", "recorded_at")


class MovementIn(msgspec.Struct):
    id: str
    kind: str
    flight: int
    at: datetime
    minutes: int


class App(raw_asyncpg.App):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["method"] != "POST":
            await answer(send, 404, {})
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
                return
            given = msgspec.json.decode(await read_body(receive), type=list[MovementIn])
            now = datetime.now(UTC)
            records = [
                (key["username"], each.id, each.kind, each.flight, each.at, each.minutes, now)
                for each in given
            ]
            await connection.copy_records_to_table(
                "departures_movement", records=records, columns=COLUMNS
            )
            await answer(send, 200, {"recorded": len(records), "repeated": 0})


app = App()
