"""Tens of thousands of idle sockets over several workers, and how long a publication takes to them.

A process may have only so many files open, here and in a worker; so the load is several processes,
each with an address of the loopback interface of its own. A socket has two channels: one that it
shares with a few, and one that all have.
"""

import asyncio
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import httpx2
import uvloop

from benchmarks.database import SharedDatabase
from benchmarks.durations import Durations
from benchmarks.fanout import hello, one
from benchmarks.servers import Program, RunningServer
from benchmarks.timed_sockets import open_ears, publish

CROWDS = ((20_000, 2), (50_000, 4))
"""Sockets, and the workers that hold them."""
A_PROCESS = 12_500
"""The sockets of one process of the load."""
CHANNELS = 1000
COMMITS_A_SECOND, COMMITS = 20, 400
TO_ALL = 5
REST_SECONDS = 3
ALL = "all"


def measure_crowd(
    database: SharedDatabase, sockets: int, workers: int
) -> Iterator[tuple[str, ...]]:
    """The rows of a table."""
    environment = {"TRIVET_PING_SECONDS": "3600", "WEB_CONCURRENCY": str(workers)}
    with one(Program(f"{workers} workers", (), environment), database) as server:
        for each in _measure(server, database.key, sockets):
            yield each.row()


def _measure(server: RunningServer, key: str, sockets: int) -> Iterator[Durations]:
    with _holding(server.port, sockets) as holders:
        held = server.files()
        if held < sockets:
            raise RuntimeError(f"the workers hold {held} of {sockets} sockets")
        for to_all in (False, True):
            seconds = uvloop.run(_publish(server.port, key, to_all=to_all))
            taken = [each for holder in holders for each in _take(holder)]
            expected = TO_ALL * sockets if to_all else COMMITS * sockets // CHANNELS
            if len(taken) < expected * 0.99:  # commits of one moment may come as one frame
                raise RuntimeError(f"{len(taken)} of {expected} deliveries came")
            name = "to all of them" if to_all else f"to {sockets // CHANNELS} of them"
            yield Durations(f"{server.name}, {name}", seconds, taken)


async def _publish(port: int, key: str, *, to_all: bool) -> float:
    """Returns the seconds that it took."""
    headers = {"authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60
    ) as client:
        begun = time.perf_counter()
        if to_all:
            for _ in range(TO_ALL):
                await publish(client, ALL)
                await asyncio.sleep(REST_SECONDS)
        else:
            for number in range(COMMITS):
                await asyncio.sleep(begun + number / COMMITS_A_SECOND - time.perf_counter())
                await publish(client, str(number * 7 % CHANNELS))
        await asyncio.sleep(1.0)
        return time.perf_counter() - begun


@contextmanager
def _holding(port: int, sockets: int) -> Iterator[list[Connection]]:
    """Processes that hold the sockets, by what they are spoken to."""
    spawned = multiprocessing.get_context("spawn")
    holders, processes = [], []
    for number, first in enumerate(range(0, sockets, A_PROCESS), 1):
        here, there = spawned.Pipe()
        numbers = range(first, min(first + A_PROCESS, sockets))
        process = spawned.Process(target=_hold, args=(there, port, f"127.0.0.{number}", numbers))
        process.start()
        there.close()
        holders.append(here)
        processes.append(process)
    try:
        for holder in holders:
            assert holder.recv() == "open"
        yield holders
    finally:
        for process in processes:
            process.kill()
            process.join()


def _take(holder: Connection) -> list[float]:
    holder.send("tell")
    taken: list[float] = holder.recv()
    return taken


def _hold(asked: Connection, port: int, source: str, numbers: range) -> None:
    """The life of a process of the load."""
    uvloop.run(_hold_open(asked, port, source, numbers))


async def _hold_open(asked: Connection, port: int, source: str, numbers: range) -> None:
    taken: list[float] = []
    hellos = [hello(f"parcels:{number % CHANNELS}", f"parcels:{ALL}") for number in numbers]
    ears = await open_ears(port, hellos, taken, source=source)
    asked.send("open")
    question = asyncio.Event()
    asyncio.get_running_loop().add_reader(asked.fileno(), question.set)
    while True:
        await question.wait()
        asked.recv()
        question.clear()
        os.set_blocking(asked.fileno(), True)  # the loop has made it something else
        asked.send(taken)
        taken.clear()
        if any(ear.transport.is_closing() for ear in ears):
            raise RuntimeError("a socket was closed")
