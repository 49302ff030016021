"""The broker of several processes: what all of its kinds have in common.

It publishes to the receivers here by a `MemoryBroker`, and sends the same message through a link
(`trivet.delivery.brokers.link`) to the other processes. A message goes at once; those that come
during the next 2 ms go together, so a busy process sends at most 500 times a second.

A link that fails is replaced, after a wait that grows and is never the same for two processes.
Whatever was to be sent meanwhile is kept, within bounds, and receivers here get `MessagesMissed`
as soon as the new link is open. Every few seconds the broker sends a message to itself: if it does
not come back, the link is dead, however open it looks.

A process that knows of no other sends nothing about channels (`trivet.delivery.brokers.peers`).
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from trivet.broker import BrokerState, M, Message, MessagesMissed, Unsubscribe
from trivet.delivery.brokers.link import Carrier, Link, Parcel, To
from trivet.delivery.brokers.memory import MemoryBroker
from trivet.delivery.brokers.outside import OutsideSender
from trivet.delivery.brokers.peers import Announcement, Peers
from trivet.delivery.brokers.pending import Pending, parcels_of
from trivet.delivery.messages import UndecodableMessage, decode
from trivet.events.wake_up import WakeUp

logger = logging.getLogger(__name__)

COALESCE_SECONDS = 0.002
"""The wait after each sending, in which messages gather."""
CONNECT_SECONDS = 5.0
SEND_SECONDS = 5.0
"""A link that takes longer for one of these is dead."""
HEARTBEAT_SECONDS = 5.0
"""The time between two messages to itself, and at the same time the longest wait for one."""
ANNOUNCE_HEARTBEATS = 6
"""The longest time between two announcements, in heartbeats; the shortest is half of it."""
WATCH_SECONDS = 1.0
"""The longest wait of a subscriber for the service to confirm a channel. After that the channel is
watched by polls until the service confirms."""
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 5.0
"""The waits for the next link, before chance has changed them by half."""
PARCELS_AT_ONCE = 500

_HEARTBEAT = b"heartbeat "
_random = random.Random()  # noqa: S311  # spreads processes; nothing is kept secret by it


class SharedBroker:
    """See `trivet.broker.Broker`. `carrier` says through what it sends, and `heartbeat_seconds` how
    often the broker sends to itself, and how long it waits for that."""

    def __init__(
        self,
        carrier: Carrier,
        node: str | None = None,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._heartbeat_seconds = heartbeat_seconds
        self._local = MemoryBroker(node)
        self.node = self._local.node
        self._carrier = carrier
        self._own = f'{{"sender":"{self.node}"'.encode()
        self._pending = Pending()
        self._peers = Peers()
        self._outside = OutsideSender(carrier, self._pending, self.node)
        self._watched: Counter[str] = Counter()
        self._watches = _Watches()
        self._link: Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._due = asyncio.Event()
        self._sending = asyncio.Lock()
        self._failures = 0
        self._lag: float | None = None
        self._last_success: datetime | None = None
        self._was_connected = False
        self._beat: tuple[bytes, asyncio.Future[None]] | None = None
        self._sent = self._received = 0

    @property
    def state(self) -> BrokerState:
        return BrokerState(
            self._carrier.kind,
            is_shared=True,
            is_connected=self._link is not None,
            lag_seconds=self._lag,
            failures=self._failures,
            last_success=self._last_success,
            peers=len(self._peers),
            is_alone=self._peers.is_alone,
            sent=self._sent,
            received=self._received,
        )

    def publish(self, message: Message, *, node: str | None = None) -> None:
        if node in (None, self.node):
            self._local.publish(message)
        if node == self.node or (node is None and self._peers.withhold(message)):
            return
        self._pending.add(message, node)
        self._ring()

    def subscribe(self, kind: type[M], receiver: Callable[[M], None]) -> Unsubscribe:
        return self._local.subscribe(kind, receiver)

    async def watch(self, channel: str) -> None:
        self._watched[channel] += 1
        if self._carrier.by_channel and self._watched[channel] == 1 and self._link is not None:
            confirmed = self._watches.add(channel)
            await asyncio.wait([confirmed], timeout=WATCH_SECONDS)
            if not confirmed.done():
                self._look_when(confirmed, channel)

    def unwatch(self, channel: str) -> None:
        self._watched[channel] -= 1
        if not self._watched[channel]:
            del self._watched[channel]
            if self._carrier.by_channel and self._link is not None:
                self._watches.remove(channel)

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._run(), name="trivet broker")
        self._ring()

    async def stop(self) -> None:
        task, self._task, self._loop = self._task, None, None
        if task is None:
            return
        self._peers.unsettle()
        if self._link is not None:
            self._pending.add(Announcement(is_leaving=True))
            await asyncio.wait([asyncio.ensure_future(self._send_pending(self._link))], timeout=0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def close(self) -> None:
        self._outside.close()

    def _ring(self) -> None:
        loop = self._loop
        if loop is None:
            self._outside.ring()
            return
        try:
            loop.call_soon_threadsafe(self._due.set)
        except RuntimeError:  # the loop is closed: the process ends without its shutdown
            self._outside.ring()

    async def _run(self) -> None:
        while True:
            link, wait = self._carrier.open(), 0.0
            try:
                await self._connect(link)
                await self._serve(link)
            except Exception as error:  # noqa: BLE001  # whatever it is, another link may work
                wait = self._note_failure(error)
            finally:
                self._lose_link()
                self._watches.settle_all()
                await link.close()
            await asyncio.sleep(wait)

    async def _connect(self, link: Link) -> None:
        watched = frozenset(self._watched)
        async with asyncio.timeout(CONNECT_SECONDS):
            await link.open(self._receive, watched)
        self._link = link
        # What was watched or left while the link opened.
        for channel in self._watched.keys() - watched:
            self._look_when(self._watches.add(channel), channel)
        for channel in watched - self._watched.keys():
            self._watches.remove(channel)

    def _look_when(self, confirmed: asyncio.Future[None], channel: str) -> None:
        """Wake receivers for `channel` once it is confirmed: until then messages were missed."""
        confirmed.add_done_callback(lambda _: self._local.publish(WakeUp({channel: 0})))

    async def _serve(self, link: Link) -> None:
        tasks = [
            asyncio.ensure_future(each)
            for each in (
                self._send(link),
                self._beat_for_ever(link),
                self._follow_watches(link),
                self._announce(),
            )
        ]
        tasks.append(asyncio.ensure_future(link.run()))
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            self._lose_link()  # at once: to cancel a statement of a dead server takes seconds
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _lose_link(self) -> None:
        self._link = None
        self._peers.unsettle()

    async def _announce(self) -> None:
        """Make this process known, and find out whether it is alone."""
        self._tell(Announcement())
        await asyncio.sleep(self._heartbeat_seconds)
        self._peers.settle()
        # Somebody may have withheld what was committed before it heard of this process, and have
        # died before it could tell.
        self._local.publish(WakeUp({}))
        while True:
            longest = ANNOUNCE_HEARTBEATS * self._heartbeat_seconds
            await asyncio.sleep(longest * _random.uniform(0.5, 1.0))
            self._peers.note_silence()
            self._tell(Announcement())

    def _tell(self, message: Message, node: str | None = None) -> None:
        """Send what is of the broker itself, unless it has said already that it leaves."""
        if self._loop is not None:
            self._pending.add(message, node)
            self._due.set()

    async def _send(self, link: Link) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            await self._send_pending(link)
            await asyncio.sleep(COALESCE_SECONDS)

    async def _send_pending(self, link: Link) -> None:
        # One after the other: a link may have several connections, and order is promised.
        async with self._sending:
            messages = self._pending.take()
            try:
                parcels = parcels_of(
                    messages,
                    sender=self.node,
                    by_channel=self._carrier.by_channel,
                    most_bytes=self._carrier.most_bytes,
                )
                await self._send_parcels(link, parcels)
            except BaseException:
                # Some may arrive twice: every message may.
                for message, node in messages:
                    self._pending.add(message, node)
                self._due.set()
                raise

    async def _send_parcels(self, link: Link, parcels: Iterable[Parcel]) -> None:
        waiting = list(parcels)
        for first in range(0, len(waiting), PARCELS_AT_ONCE):
            part = waiting[first : first + PARCELS_AT_ONCE]
            async with asyncio.timeout(SEND_SECONDS):
                await link.send(part)
            self._sent += len(part)

    async def _beat_for_ever(self, link: Link) -> None:
        """Send messages to this process, and raise TimeoutError if one does not come back."""
        number = 0
        while True:
            number += 1
            body = _HEARTBEAT + str(number).encode()
            returned = asyncio.get_running_loop().create_future()
            self._beat, sent_at = (body, returned), time.monotonic()
            async with asyncio.timeout(self._heartbeat_seconds):
                await link.check()
                await link.send([Parcel(To.NODE, self.node, body)])
                await returned
            self._note_success(time.monotonic() - sent_at)
            await asyncio.sleep(self._heartbeat_seconds * _random.uniform(0.5, 1.0))

    async def _follow_watches(self, link: Link) -> None:
        while True:
            await self._watches.changed.wait()
            added, removed = self._watches.take()
            async with asyncio.timeout(SEND_SECONDS):
                # A channel that was left and is watched again is confirmed again.
                if removed:
                    await link.unwatch(removed)
                if added:
                    await link.watch(list(added))
            for confirmed in added.values():
                if not confirmed.done():
                    confirmed.set_result(None)

    def _receive(self, body: bytes) -> None:
        if body.startswith(self._own):
            return
        if body.startswith(_HEARTBEAT):
            if self._beat is not None and self._beat[0] == body and not self._beat[1].done():
                self._beat[1].set_result(None)
            return
        self._received += 1
        try:
            envelope = decode(body)
        except UndecodableMessage as error:
            logger.warning("a message of another process cannot be read: %s", error)
            return
        if isinstance(envelope.message, Announcement):
            for answer in self._peers.hear(envelope.sender, envelope.message):
                self._tell(answer, envelope.sender)
            return
        self._local.publish(envelope.message)

    def _note_success(self, lag: float) -> None:
        self._lag, self._last_success = lag, datetime.now(UTC)
        if self._was_connected and not self._failures:
            return
        if self._failures:
            logger.warning("the broker at %s answers again", self._carrier.address)
        self._was_connected, self._failures = True, 0
        # Also after the first: what was committed since this process looked was told to nobody.
        self._local.publish(MessagesMissed())

    def _note_failure(self, error: Exception) -> float:
        self._failures += 1
        longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(self._failures, 10))
        wait = longest * _random.uniform(0.5, 1.5)
        # Once for each outage, and then rarely: the state is in /readyz.
        if self._failures == 1 or self._failures % 20 == 0:
            logger.warning(
                "the broker at %s is away, so changes of other processes are found by polls; next "
                "try in %.1f s: %s",
                self._carrier.address,
                wait,
                self._carrier.explain(error),
            )
        return wait


class _Watches:
    """The changes of what is watched, on their way to the service."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self._added: dict[str, asyncio.Future[None]] = {}
        self._removed: set[str] = set()

    def add(self, channel: str) -> asyncio.Future[None]:
        """The future is done when the service has confirmed, or cannot."""
        if channel not in self._added:
            self._added[channel] = asyncio.get_running_loop().create_future()
        self.changed.set()
        return self._added[channel]

    def remove(self, channel: str) -> None:
        if channel in self._added:
            _settle(self._added.pop(channel))
        self._removed.add(channel)
        self.changed.set()

    def take(self) -> tuple[dict[str, asyncio.Future[None]], set[str]]:
        added, removed = self._added, self._removed
        self._added, self._removed = {}, set()
        self.changed.clear()
        return added, removed

    def settle_all(self) -> None:
        """End every wait: the link is gone, and the next one begins with all channels."""
        added, _ = self.take()
        for confirmed in added.values():
            _settle(confirmed)


def _settle(confirmed: asyncio.Future[None]) -> None:
    if not confirmed.done():
        confirmed.set_result(None)
