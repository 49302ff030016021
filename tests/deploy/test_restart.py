"""A real PostgreSQL that is stopped under load, and comes back on the same data."""

import asyncio
import itertools
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Origin

from tests.deploy.dock import (
    CONNECTIONS,
    SEE_CRATES,
    SWAMP,
    THREADS,
    Crowd,
    Port,
    is_told_to_come_back,
    until,
)
from tests.deploy.restarted import CLIENTS, DOORS, Load, succeed
from tests.services.databases import Databases
from tests.services.postgres import Cluster, running_cluster
from tests.services.server import StartServer

pytestmark = pytest.mark.database("postgresql")  # SQLite has no server to restart


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # What is confirmed has to be on the disk when the server crashes, or nothing could be claimed.
    with running_cluster(synchronous_commit="on") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def port(
    cluster: Cluster, databases: Databases, start_shared_server: StartServer
) -> Iterator[Port]:
    url = databases.create()
    port = Port.open(start_shared_server, cluster.copy_database(url))
    databases.drop(url)
    yield port
    port.server.stop()


@pytest.mark.anyio
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
async def test_a_database_that_goes_and_comes_back_is_told_of_and_needs_no_restart_of_ours(
    cluster: Cluster, port: Port, sign: signal.Signals
) -> None:
    await asyncio.to_thread(cluster.start)  # where another test left it in the middle
    load = Load(port, f"load-{sign.name}")
    async with Crowd() as crowd:
        await take_every_connection(port, crowd, sign.name)
        edit = await asyncio.to_thread(port.edit, f"{SEE_CRATES}add/", dock=SWAMP, label="x")
        cut = crowd.send(edit, port.put(SWAMP, with_django=True), port.put(SWAMP))
        await port.until_waiting(len(cut))
        await asyncio.to_thread(cluster.stop, sign)
        assert all(is_told_to_come_back(answer) for answer in await asyncio.gather(*cut))

        await see_that_the_server_is_up(port, crowd)
        loading = asyncio.create_task(load.run(crowd))
        await until(lambda: len(load.answers) >= CLIENTS)  # each has been sent away once
        assert load.confirmed() == set()
        await asyncio.to_thread(cluster.start)
        for with_django in DOORS:
            await succeed(crowd, port.put("after", sign.name, with_django=with_django))
        page = await succeed(crowd, port.get(SEE_CRATES))
        await succeed(crowd, port.anonymous("/readyz"))
        load.over = True
        await loading
    assert sign.name in page.text
    assert load.confirmed()
    assert all(a.status_code == 201 or is_told_to_come_back(a) for _, a in load.answers)
    # Whole or not at all: what is stored was told, and what was told is stored.
    stored = await asyncio.to_thread(port.watch.labels, load.dock)
    assert load.confirmed() <= set(stored)
    assert sorted(await asyncio.to_thread(port.watch.told, load.dock)) == sorted(stored)
    assert await asyncio.to_thread(port.watch.labels, SWAMP) == []
    assert await asyncio.to_thread(port.watch.told, SWAMP) == []


async def take_every_connection(port: Port, crowd: Crowd, label: str) -> None:
    """Have both pools full of connections, which the restart turns into dead ones."""
    with port.watch.gate_shut():
        tasks = crowd.send(
            *[port.put("before", label)] * CONNECTIONS,
            *[port.put("before", label, with_django=True)] * THREADS,
        )
        await port.until_waiting(CONNECTIONS + THREADS)
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {201}


async def see_that_the_server_is_up(port: Port, crowd: Crowd) -> None:
    """While the database is away: what needs no data is there, what does is 503."""
    for path in NO_DATA:
        assert (await crowd.send(port.anonymous(path))[0]).status_code == 200, path
    assert is_told_to_come_back(await crowd.send(port.put("away"))[0])
    ready = await crowd.send(port.anonymous("/readyz"))[0]
    assert ready.status_code == 503
    checks = ready.json()["checks"]
    assert checks["database"] != "ok"
    assert checks["admin"] == "does not answer"  # however long Django waits for it


NO_DATA = (
    "/healthz",
    "/api/",
    "/api/openapi.json",
    "/static/admin/css/base.css",
    "/departures/static/board.css",
    "/admin/login/",
)
"""Which a database that is away has no part in."""


class Subscriber:
    """A socket on one dock."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.told: list[tuple[int, str]] = []
        """The offset and the label of each crate, as they came."""

    async def ask(self, **command: Any) -> dict[str, Any]:
        """The reply to one command."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, **command}))
        async with asyncio.timeout(30):
            while True:
                for message in await self._read():
                    if message.get("id") == number:
                        return message

    async def until_told(self, label: str) -> None:
        async with asyncio.timeout(30):
            while label not in [each for _, each in self.told]:
                await self._read()

    async def _read(self) -> list[dict[str, Any]]:
        messages = [json.loads(line) for line in str(await self._socket.recv()).splitlines()]
        for message in messages:
            if not message:
                await self._socket.send("{}")  # a ping wants its pong
            if (publication := message.get("push", {}).get("pub")) is not None:
                self.told.append((publication["offset"], publication["data"]["label"]))
        return messages


@asynccontextmanager
async def connected(port: Port) -> AsyncIterator[Subscriber]:
    url = f"ws://127.0.0.1:{port.server.port}/ws"
    async with connect(url, origin=Origin(port.server.url), proxy=None) as socket:
        subscriber = Subscriber(socket)
        assert "connect" in await subscriber.ask(connect={})
        yield subscriber


def failures_of_the_relay(port: Port) -> int:
    """How many times it has said that it could not look for publications."""
    return port.server.log_text().count("what is committed waits for delivery")


@pytest.mark.anyio
async def test_a_socket_outlasts_a_database_that_goes_and_is_told_everything_in_order(
    cluster: Cluster, port: Port
) -> None:
    await asyncio.to_thread(cluster.start)
    async with Crowd() as crowd, connected(port) as early:
        assert "subscribe" in await early.ask(subscribe={"channel": "crates:early"})
        await succeed(crowd, port.put("early", "before"))
        await early.until_told("before")
        failures = await asyncio.to_thread(failures_of_the_relay, port)

        await asyncio.to_thread(cluster.stop, signal.SIGINT)
        async with connected(port) as late:
            # Nobody here knows this channel yet, so its position has to be read.
            subscribe = {"channel": "crates:late"}
            refused = await late.ask(subscribe=subscribe)
            assert (refused["error"]["code"], refused["error"]["temporary"]) == (100, True)
            await until(lambda: failures_of_the_relay(port) > failures)
            await asyncio.to_thread(cluster.start)
            async with asyncio.timeout(30):
                while "subscribe" not in await late.ask(subscribe=subscribe):  # noqa: ASYNC110  # as an SDK does
                    await asyncio.sleep(0.1)

            labels = [f"after-{number}" for number in range(5)]
            for label in labels:
                for dock in ("early", "late"):
                    await succeed(crowd, port.put(dock, label))
            await early.until_told(labels[-1])
            await late.until_told(labels[-1])
    assert early.told == list(enumerate(["before", *labels], 1))
    assert late.told == list(enumerate(labels, 1))
