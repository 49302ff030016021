"""One publication to thousands of sockets: what a delivery costs the server, beside its peers.

Each program in its turn has the sockets open and is told to publish: once and again (single), and
a hundred at once (burst). Trivet's publications are committed rows, found by the relay and sent by
the hub of `trivet serve`; the peers send a text that they have. The load counts marks in what
arrives and decodes nothing, because it shares the machine. A delivery's price is what the server's
process computed, divided by deliveries.
"""

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import httpx2
import uvloop

from benchmarks.database import SharedDatabase
from benchmarks.servers import Program, RunningServer, running, trivet
from tests.services.node import TESTS

SOCKETS = 5000
SECONDS = 4.0
BURST = 100
MARK = b"@"
PING, PONG = 0x89, 0x8A
"""Of WebSockets: uvicorn's default is to ping, and to cut off who does not answer."""
DEPOT = "fanout"
LABEL = "@" + "x" * 79
OPENING_AT_ONCE = 100
PEERS = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Script(Program):
    """A program with a command of its own; the port comes last."""

    def command(self, port: int) -> list[str]:
        return [*self.arguments, str(port)]


PROGRAMS: Sequence[Program] = (
    # The load does not answer pings.
    trivet(ping_seconds="3600"),
    Script("raw uvloop (the limit)", (sys.executable, "-m", "benchmarks.peers.fanout_uvloop")),
    Script("npm ws", ("node", str(PEERS / "fanout_ws.mjs"), str(TESTS))),
    Program(
        "Starlette's loop",
        (
            "--worker-class",
            "benchmarks.peers.quiet_worker.QuietWorker",
            "benchmarks.peers.fanout_starlette:app",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Fanout:
    """What one measurement gave."""

    deliveries: int
    seconds: float
    cpu_seconds: float

    @property
    def row(self) -> tuple[str, str]:
        """Deliveries a second, and µs of computing for each."""
        cpu = self.cpu_seconds / self.deliveries * 1e6
        return f"{self.deliveries / self.seconds:,.0f}", f"{cpu:.2f}"


class Counter:
    """What all sockets together have received."""

    def __init__(self) -> None:
        self.marks = 0
        self.bytes = 0


class Ear(asyncio.Protocol):
    """A socket that counts."""

    def __init__(self, port: int, counter: Counter, hello: bytes, ready: bytes) -> None:
        self._port = port
        self._counter = counter
        self._hello = hello
        self._awaits = [b"\r\n\r\n", *([ready] if ready else [])]
        self._seen = b""
        self.is_ready = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(
            f"GET /ws HTTP/1.1\r\nhost: localhost:{self._port}\r\nupgrade: websocket\r\n"
            "connection: upgrade\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "sec-websocket-version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self._awaits:
            self._open(data)
            return
        if data[0] == PING:
            self.transport.write(bytes((PONG, 0x80 | data[1])) + bytes(4) + data[2 : 2 + data[1]])
            return
        self._counter.marks += data.count(MARK)
        self._counter.bytes += len(data)

    def _open(self, data: bytes) -> None:
        self._seen += data
        while self._awaits and self._awaits[0] in self._seen:
            _, _, self._seen = self._seen.partition(self._awaits.pop(0))
            if self._awaits:
                self.transport.write(self._hello)
        if not self._awaits and not self.is_ready.done():
            self._seen = b""
            self.is_ready.set_result(None)


def _masked(text: str) -> bytes:
    """A text message of a client, with a mask of zeros."""
    payload = text.encode()
    assert 125 < len(payload) < 65536
    return bytes((0x81, 0x80 | 126)) + len(payload).to_bytes(2, "big") + bytes(4) + payload


def hello(*channels: str) -> bytes:
    """The first frame of a client that subscribes to `channels`."""
    connect = {"id": 1, "connect": {"name": "load", "version": "x" * 80}}
    subscribes = ({"id": n, "subscribe": {"channel": each}} for n, each in enumerate(channels, 2))
    return _masked("\n".join(map(json.dumps, (connect, *subscribes))))


HELLO = hello(f"parcels:{DEPOT}")
SUBSCRIBED = b'"subscribe":{'


async def listen(
    server: RunningServer, sockets: int, counter: Counter, first: bytes = b""
) -> list[Ear]:
    """Open sockets, as many at a time as a server accepts; `first` is what each says first, and
    then it waits for a subscription."""
    loop = asyncio.get_running_loop()
    ready = SUBSCRIBED if first else b""
    ears: list[Ear] = []
    for _ in range(0, sockets, OPENING_AT_ONCE):
        opened = [
            loop.create_connection(
                lambda: Ear(server.port, counter, first, ready), "127.0.0.1", server.port
            )
            for _ in range(OPENING_AT_ONCE)
        ]
        batch = [ear for _, ear in await asyncio.gather(*opened)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(ear.is_ready for ear in batch))
        ears += batch
    return ears


async def _measure(
    server: RunningServer, key: str, counter: Counter, *, size: int, sockets: int, burst: int
) -> Fanout:
    headers = {"authorization": f"Bearer {key}"}
    if server.name == "Trivet":
        query = urlencode({"depot": DEPOT, "label": LABEL, "count": burst})
        target = f"/api/parcels/arrivals?{query}"
    else:
        target = f"/publish?count={burst}&size={size}"
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{server.port}", headers=headers, trust_env=False, timeout=60
    ) as client:

        async def publish() -> None:
            expected = counter.marks + burst * sockets
            (await client.post(target)).raise_for_status()
            async with asyncio.timeout(60):
                while counter.marks < expected:  # noqa: ASYNC110  # an event for each would cost more
                    await asyncio.sleep(0.001)

        await publish()
        before, computed, began = counter.marks, server.cpu_seconds(), time.perf_counter()
        while time.perf_counter() - began < SECONDS:
            await publish()
        seconds = time.perf_counter() - began
        return Fanout(counter.marks - before, seconds, server.cpu_seconds() - computed)


async def _run(
    server: RunningServer, key: str, sockets: int, size: int
) -> tuple[list[Fanout], int]:
    counter = Counter()
    ears = await listen(server, sockets, counter, HELLO if server.name == "Trivet" else b"")
    results = [
        await _measure(server, key, counter, size=size, sockets=sockets, burst=burst)
        for burst in (1, BURST)
    ]
    for ear in ears:
        ear.transport.abort()
    return results, round(counter.bytes / counter.marks)


def measure(
    database: SharedDatabase, *, rounds: int, sockets: int = SOCKETS
) -> Iterator[tuple[str, ...]]:
    """The rows of a table: each program in each round, single and burst."""
    size = 260
    for number in range(rounds):
        for program in PROGRAMS:
            with one(program, database) as server:
                results, seen = uvloop.run(_run(server, database.key, sockets, size))
            if program.name == "Trivet":
                size = seen
            single, burst = (each.row for each in results)
            yield (f"{program.name}, round {number + 1}", *single, *burst)


@contextmanager
def one(program: Program, database: SharedDatabase) -> Iterator[RunningServer]:
    """A program alone."""
    with running([program], database) as servers:
        yield servers[program.name]
