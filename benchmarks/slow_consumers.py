"""What those who read have to do with those who do not: their times beside slow ones and without.

Two servers of one installation get the same publications at the same time, so that whatever else
the machine does disturbs both. Each has some sockets more that subscribe to a channel of much data:
those of the one read it, those of the other do not. These are first kept by the network, then set
apart, then cut off with 3008. What is measured is the time of small publications to the sockets
that have nothing to do with it. In every round the two change their parts.
"""

import asyncio
import socket
import statistics
from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx2
import uvloop

from benchmarks.database import SharedDatabase
from benchmarks.fanout import hello
from benchmarks.rounds import Spread
from benchmarks.servers import running, trivet
from benchmarks.timed_sockets import TimedEar, open_ears, publish

HEALTHY, BESIDE = 300, 30
DEPOT, BULK = "healthy", "bulk"
COMMITS_A_SECOND, COMMITS = 20, 500
BULK_EVERY = 3
"""A large publication with every third commit, in turn by both."""
BULK_BYTES = 150_000
RECEIVE_BUFFER = 4096
"""What the network keeps for who does not read is little, so that the server has the rest."""
MOST_ROUNDS = 4
"""One takes half a minute."""
KEY = "a-key-of-the-server-api-of-this-benchmark"


def measure(database: SharedDatabase, rounds: int) -> list[tuple[str, str]]:
    """The rows of a table."""
    options = {"ping_seconds": "3600", "server_api_keys": KEY}
    programs = [trivet(name, **options) for name in ("one", "other")]
    with running(programs, database) as servers:
        ports = [server.port for server in servers.values()]
        return uvloop.run(_measure(ports, database.key, min(rounds, MOST_ROUNDS)))


async def _measure(ports: Sequence[int], key: str, rounds: int) -> list[tuple[str, str]]:
    taken: list[list[float]] = [[], []]
    for port, each in zip(ports, taken, strict=True):
        await open_ears(port, [hello(f"parcels:{DEPOT}", "parcels:none")] * HEALTHY, each)
    await _publish(ports, key)
    p99: dict[bool, list[float]] = {True: [], False: []}
    cut_off = 0
    for number in range(rounds):
        parts = (True, False) if number % 2 == 0 else (False, True)
        beside = [
            await _open_beside(port, is_read=is_read)
            for port, is_read in zip(ports, parts, strict=True)
        ]
        for each in taken:
            each.clear()
        await _publish(ports, key)
        for each, is_read in zip(taken, parts, strict=True):
            p99[is_read].append(statistics.quantiles(each, n=100)[98])
        for ears in beside:
            cut_off += await _let_go(ears)
    ratio = Spread.of([slow / read for read, slow in zip(p99[True], p99[False], strict=True)])
    return [
        (f"p99 of {HEALTHY}, beside {BESIDE} that read, ms", f"{statistics.median(p99[True]):.1f}"),
        (f"p99 of {HEALTHY}, beside {BESIDE} that do not", f"{statistics.median(p99[False]):.1f}"),
        ("ratio", f"{ratio.median:.2f} ({ratio.least:.2f}–{ratio.greatest:.2f})"),
        ("cut off, of those that do not read", f"{cut_off} of {rounds * BESIDE}"),
    ]


async def _open_beside(port: int, *, is_read: bool) -> list[TimedEar]:
    hellos = [hello(f"parcels:{BULK}", "parcels:none")] * BESIDE
    ears = await open_ears(port, hellos, [], receive_buffer=0 if is_read else RECEIVE_BUFFER)
    for ear in ears:
        if not is_read:
            ear.transport.pause_reading()
    return ears


async def _let_go(ears: Sequence[TimedEar]) -> int:
    """How many of them the server had cut off."""
    for ear in ears:
        own = ear.transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        ear.transport.resume_reading()
    await asyncio.sleep(3.0)
    ended = sum(ear.transport.is_closing() for ear in ears)
    for ear in ears:
        ear.transport.abort()
    return ended


async def _publish(ports: Sequence[int], key: str) -> None:
    """By both in turn, because the one that commits is the first to know."""
    headers = {"authorization": f"Bearer {key}"}
    data = {"channel": f"parcels:{BULK}", "data": "x" * BULK_BYTES}
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                httpx2.AsyncClient(
                    base_url=f"http://127.0.0.1:{port}",
                    headers=headers,
                    trust_env=False,
                    timeout=60,
                )
            )
            for port in ports
        ]
        begun = loop.time()
        for number in range(COMMITS):
            await asyncio.sleep(begun + number / COMMITS_A_SECOND - loop.time())
            client = clients[number % 2]
            await publish(client, DEPOT)
            if number % BULK_EVERY == 0:
                answer = await client.post("/ws/api/publish", json=data, headers={"x-api-key": KEY})
                assert "result" in answer.json(), answer.text
        await asyncio.sleep(0.5)
