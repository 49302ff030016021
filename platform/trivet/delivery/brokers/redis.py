"""The link through Redis or Valkey: pub/sub, by channel.

A process subscribes to one name for all processes, to its own, and to those of the channels that
somebody watches here, so what nobody here wants does not arrive. All names share a hash tag
(``{trivet:…}``): in a cluster they live in one slot. Names hold the installation's own mark, since
pub/sub knows no database numbers, and two installations may share a server.
"""

import asyncio
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from trivet.delivery.brokers.link import Carrier, Link, Parcel, Receive, To
from trivet.redis_errors import explain
from trivet_settings.broker_url import masked

MOST_BYTES = 1024 * 1024
CHANNELS_AT_ONCE = 1000
"""The names in one SUBSCRIBE."""


def carry_by_redis(url: str, *, installation: str, node: str) -> Carrier:
    """The carrier through the service at `url`."""
    return Carrier(
        kind="redis",
        address=masked(url),
        open=lambda: RedisLink(url, name=f"{{trivet:{installation}}}", node=node),
        by_channel=True,
        most_bytes=MOST_BYTES,
        explain=partial(explain, setting="TRIVET_BROKER"),
    )


class RedisLink:
    """See `trivet.delivery.brokers.link.Link`. `name` is that of the installation."""

    def __init__(self, url: str, *, name: str, node: str) -> None:
        self._name = name
        self._node = node
        # Retries are the broker's: a link that failed is not used again.
        self._client = Redis.from_url(
            url.replace("valkey", "redis", 1) if url.startswith("valkey") else url,
            socket_connect_timeout=5,
            # The broker bounds each call itself. The client would do so by `asyncio.wait_for`, and
            # Python 3.11's drops a cancellation that comes as its wait ends: nothing would stop.
            socket_timeout=None,
            socket_keepalive=None if url.startswith("unix") else True,
            retry=Retry(NoBackoff(), 0),
            client_name="trivet",
            driver_info=None,  # or it would read the package's version from files, on the loop
        )
        self._pubsub: PubSub | None = None
        self._receive: Receive | None = None
        self._confirming: dict[bytes, asyncio.Future[None]] = {}

    async def open(self, receive: Receive | None, watched: Collection[str] = ()) -> None:
        await self._client.ping()
        await self.check()
        self._receive = receive
        if receive is None:
            return
        self._pubsub = self._client.pubsub()
        names = [f"{self._name}:all", self._node_name(self._node), *map(self._channel, watched)]
        for first in range(0, len(names), CHANNELS_AT_ONCE):
            part = names[first : first + CHANNELS_AT_ONCE]
            await self._pubsub.subscribe(*part)
            for _ in part:
                await self._next(self._pubsub)

    async def send(self, parcels: Sequence[Parcel]) -> None:
        async with self._client.pipeline(transaction=False) as pipeline:
            for parcel in parcels:
                pipeline.publish(self._name_of(parcel), parcel.body)
            await pipeline.execute()

    async def watch(self, channels: Collection[str]) -> None:
        assert self._pubsub is not None
        names = [self._channel(each) for each in channels]
        loop = asyncio.get_running_loop()
        for first in range(0, len(names), CHANNELS_AT_ONCE):
            part = names[first : first + CHANNELS_AT_ONCE]
            for name in part:
                self._confirming[name.encode()] = loop.create_future()
            waits = list(self._confirming.values())
            await self._pubsub.subscribe(*part)
            await asyncio.gather(*waits)

    async def unwatch(self, channels: Collection[str]) -> None:
        assert self._pubsub is not None
        names = [self._channel(each) for each in channels]
        for first in range(0, len(names), CHANNELS_AT_ONCE):
            await self._pubsub.unsubscribe(*names[first : first + CHANNELS_AT_ONCE])

    async def check(self) -> None:
        """A primary that was made a replica keeps its connections. What is published there stays
        there, and who connects anew goes to another server."""
        try:
            said: Any = await self._client.execute_command("HELLO")  # type: ignore[no-untyped-call]  # as below
        except exceptions.ResponseError:  # a server that does not know it, or who may not ask
            return
        pairs = said if isinstance(said, dict) else dict(zip(said[::2], said[1::2], strict=True))
        # In a cluster every server hands on what it is given.
        if pairs.get(b"mode") == b"standalone" and pairs.get(b"role") != b"master":
            raise exceptions.ReadOnlyError

    async def run(self) -> None:
        assert self._pubsub is not None
        while True:
            await self._next(self._pubsub)

    async def close(self) -> None:
        with suppress(Exception):
            if self._pubsub is not None:
                await self._pubsub.aclose()  # type: ignore[no-untyped-call]  # redis ships half of its types
        with suppress(Exception):
            await self._client.aclose()

    async def _next(self, pubsub: PubSub) -> None:
        message: Any = await pubsub.get_message(timeout=None)
        if message is None:
            return
        if message["type"] == "message":
            if self._receive is not None:
                self._receive(message["data"])
        elif message["type"] == "subscribe":
            confirmed = self._confirming.pop(message["channel"], None)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)

    def _name_of(self, parcel: Parcel) -> str:
        match parcel.to:
            case To.ALL:
                return f"{self._name}:all"
            case To.NODE:
                return self._node_name(parcel.name)
            case To.CHANNEL:
                return self._channel(parcel.name)

    def _node_name(self, node: str) -> str:
        return f"{self._name}:node:{node}"

    def _channel(self, channel: str) -> str:
        return f"{self._name}:channel:{channel}"


_link: type[Link] = RedisLink
