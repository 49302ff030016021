"""The relay: reads committed publications and hands them on, in order, each once.

One relay serves a process. It reads only the channels that are watched in the process. A wake-up
starts it, and it polls besides. So a publication without a wake-up (a crash after the commit,
another process) is late by one poll, and never lost. Polls are rare while the broker reaches the
other processes. While it does not, they come every second, by themselves. A poll is one statement,
whatever number of channels is watched (`trivet.delivery.cursor`).

Nothing is skipped, because the rows of a channel are committed in the order of their offsets
(`trivet.events.outbox`): a reader that sees offset n also sees n - 1, unless retention removed it.
The relay continues from the last offset that it delivered, and checks that there is no hole. A
hole is always announced.
"""

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol, TypeVar

from trivet.broker import Broker, MessagesMissed, Unsubscribe
from trivet.data.database import Database
from trivet.data.outages import find_outage
from trivet.delivery.batched_read import BatchedRead
from trivet.delivery.cursor import OutboxCursor
from trivet.delivery.reading import NOWHERE, Reading, read_new
from trivet.delivery.steps import to_its_end
from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication
from trivet.events.wake_up import WakeUp
from trivet.missing_tables import lacks_table
from trivet.observation import Observers, RelayMeasured

T = TypeVar("T")

logger = logging.getLogger(__name__)

_random = random.Random()  # noqa: S311  # spreads the polls of several processes

PASS_CHANNELS = 500
"""The channels whose positions one statement reads; SQLite binds at most 32,766 values."""
PASS_PUBLICATIONS = 1000
"""The publications of one pass, so that a flood fills no memory and holds no snapshot."""
BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0)
"""The waits after the first, second … failure in a row; the last one repeats. They are short,
because delivery should go on within 5 seconds of the return of a database."""
RARE_POLL_SECONDS = 30.0
"""The average time between two polls while the broker reaches the other processes. Chance makes it
up to a half shorter or longer, so that the polls of several processes spread."""


class Receiver(Protocol):
    """The receiver of the relay's publications; called on the event loop, one call at a time."""

    async def deliver(
        self, channel: str, epoch: str, publications: Sequence[StoredPublication]
    ) -> None:
        """Receive the next publications of `channel`, oldest first, without a hole.

        The next delivery, of any channel, waits for the end of this one.
        """
        ...

    async def invalidate(self, channel: str, position: Position) -> None:
        """Receive the news that publications of `channel` are gone: the next ones follow on
        `position`, and nothing leads from the earlier ones there."""
        ...


@dataclass(slots=True)
class RelayState:
    """The state of the relay, for readiness. `last_success` is aware UTC, and `lag_seconds` the age
    of the oldest publication in the last delivery; None before one."""

    running: bool = False
    last_success: datetime | None = None
    failures: int = 0
    lag_seconds: float | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether the relay runs, and its last look at the database succeeded."""
        return self.running and self.failures == 0


@dataclass(slots=True, eq=False)
class _Watch:
    """A watched channel. `position` is the last delivered one; None until it is known.
    `missed_wake_up` notes a wake-up that came before it was known, `is_announced` that the broker
    knows of the watch."""

    watchers: int = 0
    position: Position | None = None
    missed_wake_up: bool = False
    is_announced: bool = False
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)


class Relay:
    """Delivers committed publications to `receiver`.

    `poll_seconds` is the longest wait of a publication without a wake-up, as long as the broker
    does not reach other processes.
    """

    def __init__(
        self,
        database: Database,
        broker: Broker,
        poll_seconds: float = 1.0,
        observers: Observers | None = None,
    ) -> None:
        self.state = RelayState()
        self.receiver: Receiver | None = None
        self._database = database
        self._broker = broker
        self._observers = observers or Observers()
        self._poll_seconds = poll_seconds
        self._cursor = OutboxCursor()
        self._looks_now = True
        self._watches: dict[str, _Watch] = {}
        # Many channels are watched at once after an outage: their positions are read together.
        self._positions = BatchedRead(self._find_positions, limit=PASS_CHANNELS)
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: list[Unsubscribe] = []

    @property
    def watched(self) -> frozenset[str]:
        """The watched channels."""
        return frozenset(self._watches)

    async def watch(self, channel: str) -> Position:
        """Deliver `channel` from now on, and return the position at which the delivery begins.

        Every watch needs its own `unwatch`, also one that raises a database error: whoever watches
        may have left before that, and only one of the two may undo it.
        """
        watch = self._watches.setdefault(channel, _Watch())
        watch.watchers += 1
        async with watch.opening:
            if watch.position is None:
                if not watch.is_announced:
                    # Before the position is read: later commits are announced to us.
                    watch.is_announced = True
                    await self._broker.watch(channel)
                watch.position = await self._positions.ask(channel)
                if watch.missed_wake_up:
                    self._note((channel,))
        return watch.position

    def unwatch(self, channel: str) -> None:
        """Undo one `watch`; the last one ends the delivery of `channel`."""
        watch = self._watches[channel]
        watch.watchers -= 1
        if not watch.watchers:
            del self._watches[channel]
            if watch.is_announced:
                self._broker.unwatch(channel)

    async def start(self) -> None:
        """Begin to deliver, in a separate task."""
        loop = asyncio.get_running_loop()

        def wake(message: WakeUp) -> None:
            if not message.offsets:
                loop.call_soon_threadsafe(self._look_now)
            # A watch that begins after this look reads earlier commits itself.
            elif not self._watches.keys().isdisjoint(message.offsets):
                loop.call_soon_threadsafe(self._note, tuple(message.offsets))

        def catch_up(_message: MessagesMissed) -> None:
            loop.call_soon_threadsafe(self._look_now)

        subscribe = self._broker.subscribe
        self._unsubscribe = [subscribe(WakeUp, wake), subscribe(MessagesMissed, catch_up)]
        self._task = asyncio.create_task(self._run(), name="trivet relay")
        self.state.running = True

    async def stop(self) -> None:
        """Stop after the present delivery. Does nothing if the relay was not started."""
        self.state.running = False
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._positions.stop()

    def _look_now(self) -> None:
        self._looks_now = True
        self._wake.set()

    def _note(self, channels: Iterable[str]) -> None:
        self._due.update(channel for channel in channels if channel in self._watches)
        if self._due:
            self._wake.set()

    async def _run(self) -> None:
        now = asyncio.get_running_loop().time
        polled_at, rare = now(), _rarely()
        while True:
            if not self._due and not self._looks_now:
                # No longer than a frequent poll: the broker may have failed meanwhile.
                await self._sleep(self._poll_seconds)
            wait = rare if self._broker.state.reaches_others else self._poll_seconds
            is_poll = self._looks_now or now() - polled_at >= wait
            try:
                if is_poll:
                    await to_its_end(self._poll())
                    polled_at, rare = now(), _rarely()
                    if not self._due and self._observers.active:
                        self._observers.emit(RelayMeasured(0.0, 0, 0))
                await to_its_end(self._relay())
            except Exception as error:  # noqa: BLE001  # after any failure the next try may succeed
                await asyncio.sleep(self._note_failure(error))
            else:
                self._note_success()

    async def _poll(self) -> None:
        """Note the channels that have news which nobody announced."""
        # Before the look, so that what asks for one while it runs gets another.
        self._looks_now = False
        if not self._watches:
            return
        try:
            async with self._database.unit(read_only=True) as session:
                found = await session.run_sync(self._cursor.look)
        except BaseException:
            self._looks_now = True
            raise
        if found is None:
            self._due.update(self._watches)
            return
        # Also those that are known to stand there: a new life of a channel has the same offsets.
        self._due.update(found.keys() & self._watches.keys())

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    def _note_success(self) -> None:
        self.state.failures = 0
        self.state.last_success = datetime.now(UTC)

    def _note_failure(self, error: Exception) -> float:
        wait = BACKOFF_SECONDS[min(self.state.failures, len(BACKOFF_SECONDS) - 1)]
        self.state.failures += 1
        if self._observers.active:
            self._observers.emit(self._measure_failure())
        if (outage := find_outage(error)) is not None:
            logger.warning(
                "what is committed waits for delivery: next try in %s s; the database: %s",
                wait,
                outage.state,
            )
        elif not lacks_table(error):
            logger.error(
                "what is committed waits for delivery: next try in %s s", wait, exc_info=error
            )
        elif self.state.failures == 1:
            logger.error(
                "what is committed waits for delivery: the database is not migrated, "
                "run 'trivet migrate'"
            )
        return wait

    async def _relay(self) -> None:
        """Deliver the new publications of some of the channels that are due."""
        channels = list(islice(self._due, PASS_CHANNELS))
        self._due.difference_update(channels)
        try:
            await self._pass(channels)
        except BaseException:
            self._due.update(channels)
            raise

    async def _pass(self, channels: Iterable[str]) -> None:
        watches = {name: self._watches[name] for name in channels if name in self._watches}
        known = {}
        for channel, watch in watches.items():
            watch.missed_wake_up = watch.position is None
            if watch.position is not None:
                known[channel] = watch.position
        if not known:
            return
        readings = await read_new(self._database, known, limit=PASS_PUBLICATIONS)
        handed_on = []
        for reading in readings:
            # A channel that was left during the read, or left and watched again, has another
            # position now, and its new watch knows it.
            if self._watches.get(reading.channel) is watches[reading.channel]:
                await self._hand_on(watches[reading.channel], reading)
                handed_on.append((reading, watches[reading.channel]))
        measured = _measure(handed_on)
        if any(reading.publications for reading, _ in handed_on):
            self.state.lag_seconds = measured.seconds_behind
        if self._observers.active:
            self._observers.emit(measured)

    async def _hand_on(self, watch: _Watch, reading: Reading) -> None:
        assert watch.position is not None
        assert self.receiver is not None, "set the receiver before a channel is watched"
        if not reading.continues(watch.position):
            logger.warning("channel %s has a hole; its subscribers start anew", reading.channel)
            watch.position = reading.position
            await self.receiver.invalidate(reading.channel, reading.position)
            return
        last = watch.position.offset
        if reading.publications:
            # Delivered first, noted second: after a failure between them they are delivered
            # again, and a subscription drops what it has.
            await self.receiver.deliver(
                reading.channel, reading.position.epoch, reading.publications
            )
            last = reading.publications[-1].offset
        watch.position = Position(reading.position.epoch, last)
        if last < reading.position.offset:
            self._due.add(reading.channel)

    def _measure_failure(self) -> RelayMeasured:
        last = self.state.last_success
        seconds = 0.0 if last is None else (datetime.now(UTC) - last).total_seconds()
        return RelayMeasured(seconds, None, self.state.failures)

    async def _find_positions(self, channels: Sequence[str]) -> Mapping[str, Position]:
        async with self._database.unit(read_only=True) as session:
            found = await session.run_sync(outbox.positions, channels)
        return {channel: found.get(channel, NOWHERE) for channel in channels}


def _measure(handed_on: Sequence[tuple[Reading, _Watch]]) -> RelayMeasured:
    """The lag of a look whose readings are delivered."""
    born = [each.created_at for reading, _ in handed_on for each in reading.publications]
    seconds = (datetime.now(UTC) - min(born)).total_seconds() if born else 0.0
    behind = sum(
        reading.position.offset - watch.position.offset
        for reading, watch in handed_on
        if watch.position is not None
    )
    return RelayMeasured(seconds, behind, 0)


def _rarely() -> float:
    return RARE_POLL_SECONDS * _random.uniform(0.5, 1.5)
