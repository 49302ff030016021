"""psycopg or asyncpg, beneath the same unit of work: which costs less.

No server and no framework: 16 tasks each open a unit, read one row (in a snapshot or by a single
query) or insert one with its publication, and end it. Each driver has a process of its own on the
servers' core; they take turns, and what counts is the process's own computing time besides the
rate.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop
from sqlalchemy.orm import Session

from benchmarks.database import PARCELS, SharedDatabase
from benchmarks.load import CONNECTIONS
from benchmarks.parcels import events, services
from benchmarks.parcels.models import Parcel
from benchmarks.peers.keys import POOL
from benchmarks.rounds import Figures
from benchmarks.servers import pin, server_cores
from trivet.data import engine as trivet_engine
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.events.feeds import collect_feeds
from trivet.identity import system

DRIVERS = {"psycopg": "postgresql+psycopg", "asyncpg": "postgresql+asyncpg"}
QUESTION = "units of work on PostgreSQL, no server around them"
ACTOR = system("benchmark")


def measure(database: SharedDatabase, *, rounds: int, seconds: float) -> dict[str, list[Figures]]:
    """For each kind of work the figures of each driver."""
    figures = {work: {name: Figures(name, None) for name in DRIVERS} for work in WORK}
    for _ in range(rounds):
        for work, by_driver in figures.items():
            for name, taken in by_driver.items():
                rate, cpu_us = _take(database.url, name, work, seconds)
                taken.rates.append(rate)
                taken.cpu_us.append(cpu_us)
                taken.load_busy.append(0.0)
    return {work: list(by_driver.values()) for work, by_driver in figures.items()}


def _take(url: str, driver: str, work: str, seconds: float) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.drivers", url, driver, work, str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        pin(process.pid, server_cores())
        output, _ = process.communicate(timeout=seconds + 60)
    rate, cpu_us = json.loads(output)
    return rate, cpu_us


def main() -> None:
    """One turn of one driver: prints units a second, and µs of computing for each."""
    url, driver, work, seconds = sys.argv[1:]
    trivet_engine.DRIVERS["postgresql"] = DRIVERS[driver]
    print(json.dumps(uvloop.run(_turn(url, work, float(seconds)))))


async def _turn(url: str, work: str, seconds: float) -> tuple[float, float]:
    feeds = collect_feeds([events])
    database = Database(url, capture=Capture(feeds), connections=POOL, timeout=30)
    once = WORK[work]
    try:
        await _repeat(database, once, seconds / 3)
        started, cpu = time.perf_counter(), time.process_time()
        done = await _repeat(database, once, seconds)
        elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    finally:
        await database.close()
    return done / elapsed, cpu / done * 1e6


async def _repeat(
    database: Database, once: Callable[[Database, int], Awaitable[None]], seconds: float
) -> int:
    done, until = 0, time.perf_counter() + seconds

    async def repeat() -> None:
        nonlocal done
        while time.perf_counter() < until:
            await once(database, done)
            done += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(repeat())
    return done


async def _read(database: Database, number: int) -> None:
    async with database.unit(read_only=True) as session:
        await session.run_sync(services.get_parcel, ACTOR, number % PARCELS + 1)


async def _insert(database: Database, number: int) -> None:
    def insert(db: Session) -> None:
        services.add_parcel(
            db, ACTOR, Parcel, label="x", depot=f"D{number % 10}", grams=5, fragile=True
        )

    async with database.unit(actor=ACTOR) as session:
        await session.run_sync(insert)


async def _ask(database: Database, number: int) -> None:
    async with database.single_query() as session:
        await session.run_sync(services.get_parcel, ACTOR, number % PARCELS + 1)


WORK = {"single query": _ask, "read": _read, "insert": _insert}


if __name__ == "__main__":
    main()
