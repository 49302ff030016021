"""A real server of two workers: clients that come and go between them, commits that are large, and
a worker that dies with those who were present."""

import asyncio
import json
import os
import signal
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.deploy.crates.models import Crate
from tests.deploy.dock import ROOT, Watch, until
from tests.deploy.faults import DOCK, ROUNDS, SECONDS, Follower, Load, following
from tests.deploy.publishing import ask, publishing
from tests.services.children import children_of
from tests.services.databases import Databases
from tests.services.node import StartNode
from tests.services.server import Server, StartServer
from trivet.data.engine import async_url
from trivet.delivery.presence import VALID_SECONDS

pytestmark = pytest.mark.database("postgresql")

CLIENTS, CUTS = 40, 1000
KEY = "a-key-of-the-server-api-of-these-tests"
DEN = "lounge:den"


@pytest.fixture(scope="module")
def database_of_two(databases: Databases) -> str:
    return databases.create()


@pytest.fixture(scope="module")
def two(start_shared_server: StartServer, database_of_two: str) -> Server:
    """A server of two workers."""
    engine = create_engine(async_url(database_of_two))
    table: Any = Crate.__table__
    table.create(engine)
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)
        return start_shared_server(
            "serve",
            "--workers=2",
            database_url=database_of_two,
            features="departures,tests.deploy.crates,tests.realtime.lounge",
            server_api_keys=KEY,
        )


def test_a_thousand_disconnects_under_load_deliver_each_publication_exactly_once(
    two: Server, start_node: StartNode
) -> None:
    """To the callback of the SDK, whichever worker a client comes back to."""
    url = two.url.replace("http", "ws", 1) + "/ws"
    clients = start_node("deploy/disconnects.mjs", url, str(CLIENTS), "crates:roll", str(CUTS))
    assert clients.stdin is not None
    assert clients.stdout is not None
    assert clients.stdout.readline() == "ready\n"
    with publishing(two) as statuses:
        clients.stdin.write("cut\n")
        clients.stdin.flush()
        assert clients.stdout.readline() == "cut\n"
    assert set(statuses) == {201}
    connects: Counter[str] = Counter()
    for seen in ask(clients, len(statuses)):
        assert seen["offsets"] == list(range(1, len(statuses) + 1))
        assert seen["labels"] == [str(number) for number in range(len(statuses))]
        assert (seen["lost"], seen["ended"]) == (0, [])
        connects.update(seen["nodes"])
    assert len(connects) == 2
    assert min(connects.values()) > CUTS // 10, "one of them had hardly anybody"


@pytest.mark.anyio
@pytest.mark.parametrize(("count", "size"), [(3000, 10), (120, 150_000)])
async def test_a_large_commit_reaches_every_healthy_subscriber_of_both_workers(
    two: Server, count: int, size: int
) -> None:
    """More than a recovery may have, and more than the network and a queue take at once."""
    dock = f"large-{count}"
    followers: list[Follower] = []
    async with AsyncExitStack() as stack:
        while len(followers) < 5 or len({each.node for each in followers}) < 2:
            followers.append(Follower(two, dock))
            await stack.enter_async_context(following(followers[-1:]))
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=SECONDS) as client:
            query = {"count": count, "size": size}
            answer = await client.post(f"{two.url}/api/crates/{dock}", params=query)
        assert answer.status_code == 201
        async with asyncio.timeout(SECONDS):
            while not all(len(each.offsets) >= count for each in followers):  # noqa: ASYNC110  # sockets ring no bell
                await asyncio.sleep(0.02)
        expected = list(range(1, count + 1))
        for follower in followers:
            assert follower.offsets == expected
            assert [int(label.partition(" ")[0]) for label in follower.labels] == expected
            assert (follower.closes, follower.returns) == ([], 0), "nobody was cut off for it"


@pytest.mark.anyio
async def test_a_page_and_its_position_are_of_one_moment_while_others_write(two: Server) -> None:
    """Who subscribes from there has everything, and nothing twice."""
    load, looks, followers = Load(two), list[dict[str, Any]](), list[Follower]()
    async with (
        httpx2.AsyncClient(trust_env=False, verify=False, timeout=SECONDS) as client,
        AsyncExitStack() as stack,
    ):
        async with load.going_on():
            await load.more(1)
            for number in range(40):
                look = (await client.get(f"{two.url}/api/crates/{DOCK}?in_two=1")).json()
                assert len(look["labels"]) == look["offset"]
                if number % 10 == 0:
                    looks.append(look)
                    position = {"epoch": look["epoch"], "offset": look["offset"]}
                    followers.append(Follower(two, DOCK, position))
                    await stack.enter_async_context(following(followers[-1:]))
        last = (await client.get(f"{two.url}/api/crates/{DOCK}")).json()
        async with asyncio.timeout(SECONDS):
            while not all(each.offsets[-1:] >= [last["offset"]] for each in followers):  # noqa: ASYNC110  # sockets ring no bell
                await asyncio.sleep(0.02)
    assert looks[0]["offset"] < looks[-1]["offset"], "nobody wrote"
    for look, follower in zip(looks, followers, strict=True):
        assert sorted(look["labels"] + follower.labels) == sorted(last["labels"])


async def enter(stack: AsyncExitStack, server: Server) -> tuple[asyncio.Task[None], Any]:
    """Somebody in the den who answers pings until the connection ends, and what connect told
    them."""
    url = server.url.replace("http", "ws", 1) + "/ws"
    connection = await stack.enter_async_context(connect(url, proxy=None))
    await connection.send(
        '{"id":1,"connect":{}}\n' + json.dumps({"id": 2, "subscribe": {"channel": DEN}})
    )
    connected = None
    async with asyncio.timeout(SECONDS):
        while True:
            for line in str(await connection.recv()).split("\n"):
                told = json.loads(line)
                connected = told.get("connect", connected)
                if "subscribe" in told:
                    return asyncio.create_task(stay(connection)), connected


async def stay(connection: ClientConnection) -> None:
    with suppress(ConnectionClosed):
        async for frame in connection:
            if "{}" in str(frame).split("\n"):
                await connection.send("{}")


async def present(server: Server) -> set[str]:
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=SECONDS) as client:
        answer = await client.post(
            f"{server.url}/ws/api/presence", json={"channel": DEN}, headers={"x-api-key": KEY}
        )
    return set(answer.json()["result"]["presence"])


@pytest.mark.anyio
async def test_presence_heals_after_a_worker_was_killed(two: Server, database_of_two: str) -> None:
    watch = Watch(database_of_two)
    async with AsyncExitStack() as stack:
        clients: dict[str, set[str]] = {}
        closed: dict[str, asyncio.Task[None]] = {}
        async with asyncio.timeout(SECONDS):
            while len(clients) < 2 or min(map(len, clients.values())) < 2:
                task, told = await enter(stack, two)
                clients.setdefault(told["node"], set()).add(told["client"])
                closed[told["node"]] = task
        assert await present(two) == set.union(*clients.values())

        workers = await asyncio.to_thread(children_of, two.process.pid)
        os.kill(workers[0], signal.SIGKILL)
        await asyncio.wait(closed.values(), return_when=asyncio.FIRST_COMPLETED)
        (dead,) = (node for node, task in closed.items() if task.done())
        alive = clients[next(node for node in clients if node != dead)]
        assert alive <= await present(two)
        ((seconds,),) = await asyncio.to_thread(watch.rows, _REMAINING, dead)
        assert seconds <= VALID_SECONDS
        # By hand that time is waited for. Otherwise it is over for the one that died alone.
        if ROUNDS:
            await asyncio.sleep(seconds)
        else:
            await asyncio.to_thread(watch.rows, _OVER, VALID_SECONDS, dead)
        assert await present(two) == alive
        # Whoever comes to the worker in its place removes what is left of it.
        async with asyncio.timeout(SECONDS):
            while (await enter(stack, two))[1]["node"] in clients:
                pass
        left = "SELECT count(*) FROM trivet_presence WHERE node = %s"
        await until(lambda: watch.rows(left, dead) == [(0,)])


_REMAINING = (
    "SELECT extract(epoch FROM expires_at - now())::float FROM trivet_presence_node WHERE node = %s"
)
_OVER = (
    "UPDATE trivet_presence_node SET expires_at = expires_at - %s * interval '1 second' "
    "WHERE node = %s RETURNING node"
)
