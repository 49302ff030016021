"""How long `/healthz` takes while the server has its hands full.

It touches nothing but the event loop, so what it waits is what the loop lags: a probe, a
socket's ping and every small answer wait as long.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2

from benchmarks.cases import API, TRIVET
from benchmarks.database import PASSWORD, USERNAME, SharedDatabase
from benchmarks.durations import measure
from benchmarks.peers.keys import POOL
from benchmarks.servers import RunningServer, running

LOGINS = 50
HOLDERS = 10 * POOL
"""Requests that hold a connection, or wait for one: ten for each that there is."""


def measure_probes(database: SharedDatabase, seconds: float) -> list[tuple[str, ...]]:
    """The rows of a table."""
    with running([TRIVET], database) as servers:
        server = servers[TRIVET.name]
        return asyncio.run(_collect(server, database.key, seconds))


async def _collect(server: RunningServer, key: str, seconds: float) -> list[tuple[str, ...]]:
    url = f"http://localhost:{server.port}"
    # None is kept: one that is idle may be closed by the server just as it is used again.
    unlimited = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx2.AsyncClient(
        base_url=url, timeout=60, trust_env=False, limits=unlimited
    ) as client:

        async def probe() -> None:
            (await client.get("/healthz")).raise_for_status()

        async def log_in() -> None:
            given = {"username": USERNAME, "password": PASSWORD}
            (await client.post("/api/auth/login", json=given)).raise_for_status()

        async def hold() -> None:
            answer = await client.get(f"{API}/slow", headers={"authorization": f"Bearer {key}"})
            assert answer.status_code in {200, 503}

        rows = [await measure("nothing else", seconds, 1, probe)]
        async with _repeated(log_in, LOGINS):
            rows.append(
                await measure(f"{LOGINS} log in at once, again and again", seconds, 1, probe)
            )
        async with _repeated(hold, HOLDERS):
            rows.append(await measure("no connection is free", seconds, 1, probe))
    return [each.row() for each in rows]


@contextlib.asynccontextmanager
async def _repeated(action: Callable[[], Awaitable[None]], at_once: int) -> AsyncIterator[None]:
    """Meanwhile, `at_once` tasks do `action` again and again."""
    over = asyncio.Event()

    async def repeat() -> None:
        while not over.is_set():
            await action()

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(repeat())
        await asyncio.sleep(0.2)  # until all of them are at it
        yield
        over.set()
