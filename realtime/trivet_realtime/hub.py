"""The hub: which clients are here, and who gets which channel.

One hub serves a process. It takes what the relay delivers, encodes each publication once,
and offers the same bytes to every subscription of the channel.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import Context
from functools import partial
from typing import Any

from trivet import Platform
from trivet.delivery.batched_read import BatchedRead
from trivet.delivery.controls import EphemeralPublication
from trivet.events import outbox
from trivet.events.missed import Asked, Missed, read_missed
from trivet.events.outbox import Position, StoredPublication
from trivet.identity import Identity, Revocation, RevocationScope
from trivet.observation import QueuesMeasured
from trivet.origin import Origin
from trivet_realtime.bounds import Bounds
from trivet_realtime.channels import ChannelRules
from trivet_realtime.client import Client
from trivet_realtime.client_calls import ClientCalls
from trivet_realtime.codes import (
    CREDENTIAL_REVOKED,
    GRANTS_CHANGED,
    INSUFFICIENT_STATE,
    SHUTDOWN,
    STATE_INVALIDATED,
    UnsubscribeCode,
)
from trivet_realtime.credentials import Credentials, Grant
from trivet_realtime.declared import Unit
from trivet_realtime.live_channels import LiveChannel
from trivet_realtime.presence import Presence
from trivet_realtime.protocol import encode_unsubscribe
from trivet_realtime.pushing import Pushing
from trivet_realtime.recent import RecentMemory
from trivet_realtime.recovery import Recovery, judge
from trivet_realtime.stream import Stream
from trivet_realtime.subscription import State, Subscription
from trivet_realtime.timers import TimerWheel
from trivet_realtime.views import Parcel, View

logger = logging.getLogger(__name__)

DEPARTURES_A_SECOND = 500
"""How many clients are sent away in a second, if there is time: each comes back with a handshake
and its subscriptions, about a millisecond of computing for whoever takes it."""
MISSED_AT_ONCE = 50
"""Positions whose missed publications are read together; each may have a whole recovery."""
PART_PUBLICATIONS = 100
"""Publications that are read at once for a subscriber that is far behind."""
DRAIN_STEP_SECONDS = 1.0
"""The time over which the step of stopping spreads what a server left to it."""


SERVER_VERSION = "trivet"
"""The server's name for clients, without a version number that would help an attacker."""


class Hub:
    """The clients of this process and their subscriptions; used on the event loop only."""

    def __init__(
        self,
        rules: ChannelRules,
        platform: Platform,
        bounds: Bounds,
        calls: ClientCalls | None = None,
        credentials: Credentials | None = None,
    ) -> None:
        self.node = platform.broker.node
        self.version = SERVER_VERSION
        self.started_at = time.monotonic()
        self.rules = rules
        self.bounds = bounds
        self.calls = calls or ClientCalls()
        self.credentials = credentials or Credentials(platform)
        self.presence = Presence(self)
        self.pushing = Pushing(self)
        self.streams: dict[str, Callable[[str], None]] = {}
        """Where frames of clients of streams go, by their sessions."""
        self.platform = platform
        self._live = {
            feed.channel: LiveChannel(platform, feed)
            for feed in platform.capture.live
            if feed.is_judged
        }
        self.timers = TimerWheel()
        self._tasks: set[asyncio.Task[None]] = set()
        self._relay = platform.relay
        self._clients: set[Client] = set()
        self._streams: dict[str, Stream] = {}
        self._memory = RecentMemory(
            channel_publications=bounds.publications,
            channel_bytes=bounds.recovery_bytes,
            limit_bytes=bounds.recent_bytes,
        )
        self._missed = BatchedRead(self._read_missed, limit=MISSED_AT_ONCE)
        self.kept_seconds = platform.settings.history_hours * 3600
        self.turns = asyncio.Semaphore(max(1, platform.settings.database_connections // 2))
        """For rules that read: so many are asked at a time, and the rest of the connections is left
        to requests."""
        self._is_draining = False
        self._emptied = asyncio.Event()

    def open_unit(
        self, client: Client, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[Unit]:
        """The unit of work of one message of `client`, with its origin and its actor."""
        return self.platform.open_unit(client.origin, read_only=read_only)

    def spreading(self) -> AbstractAsyncContextManager[None]:
        """Let replicas take over what is committed in the block before it ends: the same person
        may read it over HTTP next, and a reply of a socket carries no position."""
        replicas = self.platform.replicas
        return nullcontext() if replicas is None else replicas.spreading()

    def spawn(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        """Run `work` in a task that nobody cancels before the process stops. Nobody waits for it
        either, so what it raises is logged here."""
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._forget_task)

    def _forget_task(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("work for clients failed: %s", task.get_coro(), exc_info=error)

    def admit(self, origin: Origin) -> Client:
        """A new client for a connection that begins; `dismiss` it at the end."""
        client = Client(origin, self.bounds)
        self._clients.add(client)
        self._emptied.clear()
        if self._is_draining:
            client.disconnect(SHUTDOWN)
        return client

    def dismiss(self, client: Client) -> None:
        """Forget a client whose connection is over, and its subscriptions."""
        for subscription in tuple(client.subscriptions.values()):
            self.leave(subscription)
        client.forget_expiry()
        self._clients.discard(client)
        if not self._clients:
            self._emptied.set()

    async def join(self, client: Client, channel: str) -> Subscription:
        """A subscription of `client`, which starts when its position is known.

        It is in its place before the first await, so that no second one slips in. Raises
        what the database raises, and then there is no subscription.
        """
        stream = self._streams.get(channel)
        if stream is None:
            stream = self._streams[channel] = Stream(self, channel, self._memory)
        subscription = Subscription(client, stream)
        # By the stream's own text, of which there is one for all subscribers.
        client.subscriptions[stream.channel] = subscription
        stream.add(subscription)
        try:
            stream.open_at(await self._relay.watch(channel))
        except BaseException:
            self.leave(subscription)
            raise
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """End a subscription that was joined; to end one that is over does nothing."""
        if subscription.state is not State.OVER:
            self._forget(subscription)
            self._relay.unwatch(subscription.channel)
            self.presence.leave(subscription)

    def _forget(self, subscription: Subscription) -> None:
        subscription.end()
        stream = subscription.stream
        del subscription.client.subscriptions[stream.channel]
        stream.remove(subscription)
        if not stream.subscribers:
            del self._streams[stream.channel]
            stream.recent.forget()

    def forget_recent(self, channel: str) -> None:
        """Keep no publication of `channel` in memory: they were removed."""
        stream = self._streams.get(channel)
        if stream is not None:
            stream.recent.forget()

    def find_grant(self, channel: str) -> Grant:
        """What lets those who have no token subscribe to `channel`: one for all of them, which
        asks its rule for each. Raises like `ChannelRules.find_access`."""
        stream = self._streams.get(channel)
        if stream is None or stream.grant is None:
            return Grant(self.rules.find_access(channel))
        return stream.grant

    def find_live(self, channel: str) -> LiveChannel | None:
        """The rows of `channel`, if there are rules about who sees them; None otherwise."""
        return self._live.get(channel)

    def find_judged(self, channel: str, identity: Identity) -> LiveChannel | None:
        """The rows of `channel`, if `identity` does not see all of them; None otherwise. Raises
        what a row rule raises."""
        live = self._live.get(channel)
        return live if live is not None and live.is_judged(identity) else None

    def see(self, subscription: Subscription, view: View) -> None:
        """Let a subscription see its channel by `view`, from now on."""
        subscription.view = view

    @property
    def clients(self) -> Iterable[Client]:
        """The clients of this process."""
        return self._clients

    @property
    def channels(self) -> Mapping[str, Collection[Subscription]]:
        """The channels that somebody here is subscribed to, with the subscriptions."""
        return {channel: stream.subscribers for channel, stream in self._streams.items()}

    def subscribers(self, channel: str) -> Collection[Subscription]:
        """The subscriptions of `channel` in this process."""
        stream = self._streams.get(channel)
        return () if stream is None else stream.subscribers

    def publish_ephemeral(self, stored: StoredPublication) -> None:
        """Send a publication without an offset to all who hear its channel, here and elsewhere."""
        self.push_ephemeral(stored)
        self.platform.broker.publish(
            EphemeralPublication(
                channel=stored.channel,
                node=self.node,
                data=stored.data.decode(),
                tags=None if stored.tags is None else stored.tags.decode(),
                publisher=None if stored.publisher is None else stored.publisher.decode(),
            )
        )

    def push_ephemeral(self, stored: StoredPublication) -> None:
        """Send a publication without an offset to all who hear its channel here."""
        self.pushing.push(stored.channel, Parcel(stored, None))

    async def recover(
        self, subscription: Subscription, asked: Position | None, *, limit: int, limit_bytes: int
    ) -> Recovery:
        """What there is to recover for a client that stands at `asked`: from memory if it is
        there, else by one read for all who ask meanwhile."""
        stream = subscription.stream
        found = stream.recover(asked, limit=limit, limit_bytes=limit_bytes)
        if found is not None or asked is None:
            assert found is not None
            return found
        missed = await self._missed.ask((stream.channel, asked.offset))
        if missed.publications and missed.position and missed.position.epoch == stream.epoch:
            stream.recent.fill(missed.publications, stream.offset)
        return judge(
            missed, asked, kept_seconds=self.kept_seconds, limit=limit, limit_bytes=limit_bytes
        )

    async def _read_missed(self, asked: Sequence[Asked]) -> Mapping[Asked, Missed]:
        bounds = self.bounds
        async with self.platform.database.unit(read_only=True) as session:
            return await session.run_sync(
                read_missed, asked, limit=bounds.publications, limit_bytes=bounds.recovery_bytes
            )

    async def read_on(self, channel: str, offset: int) -> Sequence[StoredPublication]:
        """Some publications of `channel` after `offset`, for a subscriber that is far behind."""
        async with self.platform.database.unit(read_only=True) as session:
            return await session.run_sync(
                outbox.list_after, channel, offset, limit=PART_PUBLICATIONS
            )

    async def deliver(
        self, channel: str, epoch: str, publications: Sequence[StoredPublication]
    ) -> None:
        """Send publications to every subscriber of `channel` (for the relay)."""
        stream = self._streams.get(channel)
        if stream is not None:
            await stream.deliver(epoch, publications)

    async def invalidate(self, channel: str, position: Position) -> None:
        """End every subscription of `channel`, telling that its state is gone (for the relay)."""
        stream = self._streams.get(channel)
        if stream is None:
            return
        stream.restart(position)
        for subscription in tuple(stream.subscribers):
            if subscription.state is State.STARTING:
                subscription.spoil()
            else:
                self.end(subscription, STATE_INVALIDATED)

    def end_with_hole(self, subscription: Subscription) -> None:
        """End a subscription that misses something: its client subscribes again and recovers."""
        logger.warning("a subscription to %s has a hole", subscription.channel)
        self.end(subscription, INSUFFICIENT_STATE)

    def end(self, subscription: Subscription, why: UnsubscribeCode) -> None:
        """End a subscription, and tell its client why."""
        self.leave(subscription)
        subscription.client.send(encode_unsubscribe(subscription.channel, why))

    def revoke(self, revocation: Revocation) -> None:
        """Disconnect the clients whose credential was revoked. They stay away if trust was lost;
        they reconnect and are checked again if only grants changed."""
        trust_is_lost = revocation.scope is RevocationScope.CREDENTIAL
        for client in tuple(self._clients):
            if revocation.concerns(client.identity):
                client.disconnect(CREDENTIAL_REVOKED if trust_is_lost else GRANTS_CHANGED)

    def list_identities(self) -> Collection[Identity]:
        """Who the clients of this process are; many may be the same."""
        return {id(client.identity): client.identity for client in self._clients}.values()

    def measure_outgoing(self) -> QueuesMeasured:
        """The messages that wait to be written to the sockets of this process."""
        return _measure("sockets outgoing", (client.outgoing.size for client in self._clients))

    def measure_apart(self) -> QueuesMeasured:
        """The publications that subscribers have not been sent because they are slow."""
        apart = (
            (stream.offset - subscription.reached, 0)
            for stream in self._streams.values()
            for subscription in stream.subscribers
            if subscription.state is State.APART
        )
        return _measure("subscriptions apart", apart)

    def begin_draining(self, seconds: float | None = None) -> None:
        """Send every client away, so that it comes back to another process or the next one.

        Spread over time, so that they do not all arrive elsewhere in one moment: so many a
        second, but all of them within `seconds` (by default those of the bounds). A second call
        changes nothing.
        """
        if self._is_draining:
            return
        self._is_draining = True
        longest = self.bounds.drain_seconds if seconds is None else seconds
        spread = min(longest, len(self._clients) / DEPARTURES_A_SECOND)
        for client in tuple(self._clients):
            leave = partial(client.leave_in_time, SHUTDOWN)
            self.timers.call_later(spread * random.random(), leave)  # noqa: S311  # no secret

    async def drain(self) -> None:
        """Send away the clients that are still here, and wait for their end.

        On a server of ours there are none: it began to drain before. The time for this is bounded
        by the step that calls it (`trivet.asgi.process`).
        """
        self.begin_draining(DRAIN_STEP_SECONDS)
        if self._clients:
            try:
                async with asyncio.timeout(DRAIN_STEP_SECONDS + self.bounds.close_seconds):
                    await self._emptied.wait()
            except TimeoutError:
                logger.warning("%d sockets did not close in time", len(self._clients))
                for client in tuple(self._clients):
                    client.disconnect(SHUTDOWN)


def _measure(name: str, sizes: Iterable[tuple[int, int]]) -> QueuesMeasured:
    """The sum of queues of which each has so many items and bytes."""
    each = list(sizes)
    size = [length for _, length in each]
    items = sum(count for count, _ in each)
    return QueuesMeasured(name, len(each), items, sum(size), max(size, default=0))
