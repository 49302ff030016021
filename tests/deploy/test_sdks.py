"""The SDKs for Node and for Python, unmodified, at a real server with two workers.

`tests/deploy/test_live_pages.py` has the same for browsers, `tests/deploy/test_rolling_restart.py`
many of them. What each one does with what it is told is in `tests/realtime`.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import centrifuge  # type: ignore[import-untyped]  # it ships no types
import httpx2
import pytest

from tests.deploy.dock import PATIENCE, Watch, start_two_workers, until
from tests.realtime.sdk import Sdk, sdk
from tests.services.children import children_of
from tests.services.server import Server, StartServer

pytestmark = [pytest.mark.database("postgresql"), pytest.mark.anyio]

DOCK = "north"
EACH = 4
"""Clients of each kind, enough that both workers get some."""


@pytest.fixture
def server(
    start_server: StartServer, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Server:
    return start_two_workers(start_server, fresh_database_url, monkeypatch, shutdown_seconds="2")


class PythonSdk:
    """A client of PyPI `centrifuge-python`, and what it was told."""

    def __init__(self, url: str) -> None:
        self.client = centrifuge.Client(url, min_reconnect_delay=0.05, max_reconnect_delay=0.5)
        self._heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
        self.recoveries: list[bool] = []
        self._subscription = self.client.new_subscription(f"crates:{DOCK}")
        self._subscription.events.on_publication = self._hear
        self._subscription.events.on_subscribed = self._note

    async def _hear(self, context: centrifuge.PublicationContext) -> None:
        self._heard.put_nowait((context.pub.offset, context.pub.data["label"]))

    async def _note(self, context: centrifuge.SubscribedContext) -> None:
        if context.was_recovering:
            self.recoveries.append(context.recovered)

    async def subscribe(self) -> None:
        await self.client.connect()
        await self._subscription.subscribe()
        await self._subscription.ready(timeout=PATIENCE)

    async def publications(self, last: str) -> list[tuple[int, str]]:
        """Every publication up to the one labelled `last`, as offsets and labels."""
        seen: list[tuple[int, str]] = []
        async with asyncio.timeout(PATIENCE):
            while not seen or seen[-1][1] != last:
                seen.append(await self._heard.get())
        return seen


@asynccontextmanager
async def python_sdk(url: str) -> AsyncIterator[PythonSdk]:
    client = PythonSdk(url)
    await client.subscribe()
    try:
        yield client
    finally:
        await client.client.disconnect()


async def put(client: httpx2.AsyncClient, *labels: str) -> None:
    """Put crates down, each until it is known to be there; a worker that dies answers nothing."""
    for label in labels:
        answer = None
        async with asyncio.timeout(PATIENCE):
            while answer is None or answer.status_code != 201:
                try:
                    answer = await client.post(f"/api/crates/{DOCK}/{label}")
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)


async def test_each_has_everything_once_while_workers_die_and_are_replaced(
    server: Server, fresh_database_url: str
) -> None:
    url = server.url.replace("http", "ws", 1) + "/ws"
    async with AsyncExitStack() as stack:
        in_node = [
            await stack.enter_async_context(sdk(address, f"crates:{DOCK}"))
            for address in [url] * EACH + [f"{server.url}/ws"] * EACH
        ]
        for client in in_node:
            await client.next("subscribed")
        in_python = [await stack.enter_async_context(python_sdk(url)) for _ in range(EACH)]
        http = httpx2.AsyncClient(base_url=server.url, timeout=60, verify=False)
        await stack.enter_async_context(http)

        await put(http, *(f"a{n}" for n in range(10)))
        await asyncio.to_thread(kill_a_worker, server)
        await put(http, *(f"b{n}" for n in range(10)))
        await until(lambda: ready(server) >= 3)
        server.process.send_signal(signal.SIGHUP)
        await put(http, *(f"c{n}" for n in range(10)))
        await until(lambda: server.log_text().count("this process is stopped") == 2)
        await put(http, "last")

        watch = Watch(fresh_database_url)
        expected = list(enumerate(await asyncio.to_thread(watch.told, DOCK), 1))
        everybody: list[Sdk | PythonSdk] = [*in_node, *in_python]
        for each in everybody:
            assert await each.publications("last") == expected
        for node in in_node:
            said = [each for each in node.heard if each["event"] == "subscribed"]
            assert len(said) > 1  # the restart alone has sent everybody away
            assert all(each["recovered"] for each in said[1:])
        assert all(client.recoveries and all(client.recoveries) for client in in_python)


def kill_a_worker(server: Server) -> None:
    os.kill(children_of(server.process.pid)[0], signal.SIGKILL)


def ready(server: Server) -> int:
    return server.log_text().count("this process is ready")
