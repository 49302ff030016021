"""The observation of a running process: typed events, and listeners that get them.

Metrics, traces and alarms listen here; nothing else in the product knows of them. A listener
is registered at the start (`docs/observation.md`) for one class of events:

    def observe(observers: Observers) -> None:
        observers.add(RequestEnded, count_request)

The rules:

* without a listener an event costs one test of an attribute, and is not even made;
* a listener runs where the event happens, on the event loop or in a thread of Django's, and
  must be as quick as adding to a counter; it must not block, and must not use the database;
* a listener that fails is logged the first time, and harms neither what it observes nor the
  other listeners;
* each thing that happens is observed once, whichever room it happens in.

Revocations are observed as `trivet.identity.Revocation`, also those of other processes.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any, TypeVar

__all__ = [
    "Observers",
    "PoolWaited",
    "QueuesMeasured",
    "RelayMeasured",
    "RequestEnded",
    "UnitEnded",
    "UnitOutcome",
]

logger = logging.getLogger(__name__)

E = TypeVar("E")

MEASURE_SECONDS = 5.0
"""How often what only has a present size (a queue) is measured: metrics are read every 10 to 60
seconds."""


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request was answered, or a WebSocket ended.

    Attributes:
        method: As in HTTP; ``WEBSOCKET`` for a socket.
        mount: The mounted application (``api``); empty where none was reached.
        route: The path template, as far as the application tells; never the path itself.
        status: As in the access log: 499 for a client that left before the answer.
        seconds: From the first byte to the end of the response, or of the socket.
        identity_kind: ``session``, ``key``, … as in `Identity.kind`.
        request_id: As in the response and on every line of the log.
    """

    method: str
    mount: str
    route: str
    status: int
    seconds: float
    identity_kind: str
    request_id: str


class UnitOutcome(StrEnum):
    """How a unit of work ended."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    """Its status, an exception or its author wanted so."""
    HELD_BACK = "held back"
    """It was to be committed, and the database or the platform refused."""


@dataclass(frozen=True, slots=True)
class UnitEnded:
    """A unit of work ended that had begun: a request that asks no data has none.

    What the platform reads for itself (the relay, identities) is no unit of anybody.

    Attributes:
        outcome: What became of it.
        reason: Why it was not committed: ``status 409``, the name of an exception,
            ``no answer``; empty after a commit.
        origin: By which way it came: the name of a mount, ``cli``, ``background``.
        read_only: Whether it could only read.
    """

    outcome: UnitOutcome
    reason: str
    origin: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class RelayMeasured:
    """The relay has looked for publications, or has failed to.

    Attributes:
        seconds_behind: The age of the oldest publication that this look delivered; 0 where
            there was none. After a failure: the time since the last look that succeeded.
        publications_behind: What is committed in the watched channels that it looked at, and
            still to be delivered; None after a failure, because nobody knows.
        failures: Looks in a row that have failed; 0 after one that succeeded.
    """

    seconds_behind: float
    publications_behind: int | None
    failures: int


@dataclass(frozen=True, slots=True)
class QueuesMeasured:
    """All queues of one kind at one moment, measured every `MEASURE_SECONDS`.

    Attributes:
        name: ``sockets outgoing`` (what waits to be written to a socket), ``sockets held``
            (publications that wait for the end of a recovery).
        queues: How many there are.
        items: What waits in all of them together.
        bytes: The size of that.
        longest_bytes: The size of the largest.
    """

    name: str
    queues: int
    items: int
    bytes: int
    longest_bytes: int


@dataclass(frozen=True, slots=True)
class PoolWaited:
    """Somebody needed one of a bounded number, and got it or gave up.

    Attributes:
        pool: ``database`` (connections of the API and the sockets), ``django`` (threads with
            a connection each).
        seconds: How long that took; making a connection or asking an idle one included.
        succeeded: False if the time was over first; the client gets 503.
    """

    pool: str
    seconds: float
    succeeded: bool


def reason_of(error: BaseException | None) -> str:
    """The reason of a unit that `error` ended; empty without one."""
    return "" if error is None else type(error).__name__


class Observers:
    """The listeners of a process. Safe to use from any thread.

    `active` says whether there is any: test it before an event is made.
    """

    __slots__ = ("_failed", "_listeners", "_lock", "_seconds", "_sources", "_task", "active")

    def __init__(self, *, measure_seconds: float = MEASURE_SECONDS) -> None:
        self.active = False
        # Replaced and never changed, so that `emit` iterates without the lock.
        self._listeners: dict[type, tuple[Callable[[Any], None], ...]] = {}
        self._failed: set[int] = set()
        self._sources: tuple[Callable[[], object], ...] = ()
        self._seconds = measure_seconds
        self._task: asyncio.Task[None] | None = None
        self._lock = Lock()

    def add(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Call `listener` for each event of exactly this `kind`, from now on.

        Args:
            kind: `RequestEnded`, `UnitEnded`, `RelayMeasured`, `QueuesMeasured`, `PoolWaited`
                or `trivet.identity.Revocation`.
            listener: See the rules of this module.
        """
        with self._lock:
            self._listeners[kind] = (*self._listeners.get(kind, ()), listener)
            self.active = True

    def emit(self, event: object) -> None:
        """Give `event` to its listeners. Never raises."""
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the listener's alone
                self._note_failure(listener, event, error)

    def measure(self, source: Callable[[], object]) -> None:
        """Emit what `source` returns now and then, while `start` runs and anybody listens."""
        with self._lock:
            self._sources = (*self._sources, source)

    async def start(self) -> None:
        """Measure now and then, in a task of its own."""
        self._task = asyncio.create_task(self._run(), name="measurements")

    async def stop(self) -> None:
        """End that. Does nothing where it was not started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            for source in self._sources if self.active else ():
                self.emit(source())

    def _note_failure(
        self, listener: Callable[[Any], None], event: object, error: Exception
    ) -> None:
        with self._lock:
            first = id(listener) not in self._failed
            self._failed.add(id(listener))
        if first:
            logger.error(
                "the listener %r of %s failed; later failures of it are not logged",
                listener,
                type(event).__name__,
                exc_info=error,
            )
