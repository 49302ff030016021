"""What a client waits for, on the demonstration's data, in one process on SQLite.

The server is `trivet demo` on a free port with its data in a directory that is thrown away. The
client shares the machine with it, so the figures compare one state of the code with another on
the same machine; they are no promise of what a server does alone.
"""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.durations import Durations, measure
from tests.services.processes import end, free_port, wait_until
from tests.services.server import is_ready

START_SECONDS = 60
CHANNEL = "departures:JFK"
SOCKETS = 100
"""That listen to the board."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running demonstration and the key to its API."""

    url: str
    key: str

    def client(self) -> httpx2.AsyncClient:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=30, trust_env=False)


@contextlib.asynccontextmanager
async def listening(target: Target, sockets: int) -> AsyncIterator[list[ClientConnection]]:
    """Sockets that have subscribed to the board."""
    async with contextlib.AsyncExitStack() as stack:
        connections = []
        for _ in range(sockets):
            url = target.url.replace("http", "ws", 1) + "/ws"
            connection = await stack.enter_async_context(connect(url, proxy=None))
            commands = ({"id": 1, "connect": {}}, {"id": 2, "subscribe": {"channel": CHANNEL}})
            await connection.send("\n".join(map(json.dumps, commands)))
            await heard(connection, '"subscribe"')
            connections.append(connection)
        yield connections


async def heard(connection: ClientConnection, text: str) -> None:
    """Wait until a socket has received a frame with `text` in it."""
    async for frame in connection:
        if text in str(frame):
            return


async def run(target: Target, seconds: float, sockets: int) -> AsyncIterator[Durations]:
    """All measurements, one after the other."""
    async with target.client() as client:

        async def get(path: str) -> None:
            (await client.get(path)).raise_for_status()

        board, flights = "/api/departures/board/JFK", "/api/departures/flights?origin_id=JFK"
        yield await measure("read the board, 8 at once", seconds, 8, lambda: get(board))
        yield await measure("read 50 flights, 8 at once", seconds, 8, lambda: get(flights))
        # Of the last day, because the replay's own movements begin with the first.
        day = "scheduled_departure.gte=2013-02-10T00:00:00-05:00"
        late = f"/api/departures/flights?origin_id=JFK&{day}&status=scheduled"
        page = (await client.get(late)).raise_for_status().json()
        flight = page["items"][0]["id"]
        gates = iter(range(1_000_000))

        async def assign(gate: str) -> None:
            body = {"gate": gate}
            answer = await client.post(f"/api/departures/flights/{flight}/gate", json=body)
            answer.raise_for_status()

        async def assign_next() -> None:
            await assign(f"Z{next(gates) % 90 + 10}")

        yield await measure("assign a gate, one by one", seconds, 1, assign_next)
        async with listening(target, sockets) as connections:

            async def assign_and_hear() -> None:
                gate = f"Y{next(gates) % 90 + 10}"
                async with asyncio.TaskGroup() as group:
                    for connection in connections:
                        group.create_task(heard(connection, f'"{gate}"'))
                    group.create_task(assign(gate))

            name = f"assign a gate until {sockets} sockets have it"
            yield await measure(name, seconds, 1, assign_and_hear)


@contextlib.contextmanager
def demonstration() -> Iterator[Target]:
    """`trivet demo` as a process; its week stands still, so that only the measurement moves."""
    with tempfile.TemporaryDirectory() as name:
        data, port = Path(name) / "demo", free_port()
        log = Path(name) / "demo.log"
        command = [sys.executable, "-m", "trivet_deploy.cli", "demo", "--speed", "1"]
        options = ["--port", str(port), "--data", str(data)]
        with log.open("wb") as output:
            process = subprocess.Popen([*command, *options], stdout=output, stderr=output)
        try:
            url = f"http://localhost:{port}"
            wait_until(lambda: is_ready(url), process, log, START_SECONDS)
            credentials = json.loads((data / "credentials.json").read_text())
            yield Target(url, credentials["api_key"])
        finally:
            end(process, signal.SIGINT, seconds=15)


def measure_board(seconds: float, sockets: int = SOCKETS) -> list[tuple[str, ...]]:
    """Start the demonstration, measure it, and return the rows of a table."""

    async def collect(target: Target) -> list[tuple[str, ...]]:
        return [figures.row() async for figures in run(target, seconds, sockets)]

    with demonstration() as target:
        return asyncio.run(collect(target))
