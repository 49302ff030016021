"""The hub: which clients are here, and who gets which channel.

One hub serves a process. It takes what the relay delivers, encodes each publication once,
and offers the same bytes to every subscription of the channel.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from functools import partial
from typing import Any

from trivet import Platform
from trivet.events.outbox import Position, StoredPublication
from trivet.identity import Revocation, RevocationScope
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
from trivet_realtime.credentials import Credentials
from trivet_realtime.declared import Unit
from trivet_realtime.frames import Frame
from trivet_realtime.presence import Presence
from trivet_realtime.protocol import encode_unsubscribe
from trivet_realtime.subscription import State, Subscription
from trivet_realtime.timers import TimerWheel
from trivet_realtime.views import Parcel, View

logger = logging.getLogger(__name__)

DEPARTURES_A_SECOND = 500
"""How many clients are sent away in a second, if there is time: each comes back with a handshake
and its subscriptions, about a millisecond of computing for whoever takes it."""
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
        self.node = secrets.token_hex(8)
        self.version = SERVER_VERSION
        self.rules = rules
        self.bounds = bounds
        self.calls = calls or ClientCalls()
        self.credentials = credentials or Credentials(platform)
        self.presence = Presence(self)
        self.platform = platform
        self.timers = TimerWheel()
        self._tasks: set[asyncio.Task[None]] = set()
        self._relay = platform.relay
        self._clients: set[Client] = set()
        self._channels: dict[str, set[Subscription]] = {}
        self._previous: dict[str, bytes | None] = {}
        """The last publication of channels of which somebody gets differences."""
        self._is_draining = False
        self._emptied = asyncio.Event()

    def open_unit(
        self, client: Client, *, read_only: bool = False
    ) -> AbstractAsyncContextManager[Unit]:
        """The unit of work of one message of `client`, with its origin and its actor."""
        return self.platform.open_unit(client.origin, read_only=read_only)

    def spawn(self, work: Coroutine[Any, Any, None], context: Context | None = None) -> None:
        """Run `work` in a task that nobody cancels before the process stops."""
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

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
        """A subscription of `client` that holds what is delivered from now on.

        It is in its place before the first await, so that no second one slips in. Raises
        what the database raises, and then there is no subscription.
        """
        hold_limit = self.bounds.publications
        subscription = Subscription(client, channel, self._repair, hold_limit)
        client.subscriptions[channel] = subscription
        self._channels.setdefault(channel, set()).add(subscription)
        try:
            await self._relay.watch(channel)
        except BaseException:
            self._forget(subscription)
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
        channel = subscription.channel
        del subscription.client.subscriptions[channel]
        self._channels[channel].remove(subscription)
        if not self._channels[channel]:
            del self._channels[channel]
            self._previous.pop(channel, None)

    def see(self, subscription: Subscription, view: View) -> None:
        """Let a subscription see its channel by `view`, from now on."""
        subscription.view = view
        if view.is_delta:
            self._previous.setdefault(subscription.channel, None)

    @property
    def clients(self) -> Iterable[Client]:
        """The clients of this process."""
        return self._clients

    @property
    def channels(self) -> Mapping[str, Collection[Subscription]]:
        """The channels that somebody here is subscribed to, with the subscriptions."""
        return self._channels

    def subscribers(self, channel: str) -> Collection[Subscription]:
        """The subscriptions of `channel` in this process."""
        return self._channels.get(channel, ())

    def push(self, channel: str, frame: Frame) -> None:
        """Send what is no publication to all who hear `channel` here."""
        for subscription in tuple(self._channels.get(channel, ())):
            if subscription.state is State.FLOWING:
                subscription.client.send(frame)

    def publish_ephemeral(self, stored: StoredPublication) -> None:
        """Send a publication without an offset to all who hear its channel."""
        self.push_ephemeral(stored)

    def push_ephemeral(self, stored: StoredPublication) -> None:
        """Send a publication without an offset to all who hear its channel here."""
        parcel = Parcel(stored, None)
        for subscription in tuple(self._channels.get(stored.channel, ())):
            if subscription.state is State.FLOWING:
                view = subscription.view
                frame = parcel.frame if view is None else view.frame(parcel, is_next=False)
                if frame.payload:
                    subscription.client.send(frame)

    async def deliver(
        self, channel: str, _epoch: str, publications: Sequence[StoredPublication]
    ) -> None:
        """Offer publications to every subscription of `channel` (for the relay)."""
        for stored in publications:
            parcel = Parcel(stored, self._take_previous(stored))
            for subscription in tuple(self._channels.get(channel, ())):
                view, frame = subscription.view, parcel.frame
                if view is not None:
                    is_next = subscription.is_next(stored.offset)
                    frame = view.frame(parcel, is_next=is_next)
                subscription.offer(stored.offset, frame)

    def _take_previous(self, stored: StoredPublication) -> bytes | None:
        if stored.channel not in self._previous:
            return None
        previous, self._previous[stored.channel] = self._previous[stored.channel], stored.data
        return previous

    async def invalidate(self, channel: str, _position: Position) -> None:
        """End every subscription of `channel`, telling that its state is gone (for the relay)."""
        for subscription in tuple(self._channels.get(channel, ())):
            if subscription.state is State.HOLDING:
                subscription.spoil()
            else:
                self.end(subscription, STATE_INVALIDATED)

    def _repair(self, subscription: Subscription) -> None:
        """A hole in what this one subscriber was sent: it subscribes again and recovers."""
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

    def measure_outgoing(self) -> QueuesMeasured:
        """The messages that wait to be written to the sockets of this process."""
        return _measure("sockets outgoing", (client.outgoing.size for client in self._clients))

    def measure_held(self) -> QueuesMeasured:
        """The publications that wait for the end of a recovery."""
        holding = (
            subscription.held_size
            for subscriptions in self._channels.values()
            for subscription in subscriptions
            if subscription.state is State.HOLDING
        )
        return _measure("sockets held", holding)

    def begin_draining(self, seconds: float | None = None) -> None:
        """Send every client away, so that it comes back to another process or the next one.

        Spread over time, so that they do not all arrive elsewhere in one moment: so many a
        second, but all of them within `seconds` (by default those of the bounds). A second call
        changes nothing.
        """
        if self._is_draining:
            return
        self._is_draining = True
        self.platform.lifecycle.drain()
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


def _measure(name: str, sizes: Iterable[tuple[int, int]]) -> QueuesMeasured:
    """The sum of queues of which each has so many items and bytes."""
    each = list(sizes)
    size = [length for _, length in each]
    items = sum(count for count, _ in each)
    return QueuesMeasured(name, len(each), items, sum(size), max(size, default=0))
