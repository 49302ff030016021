"""The observation of a running process: typed events, and listeners that get them.

Metrics, traces and alarms listen here; nothing else in the product knows of them. A listener
is registered at the start (`docs/observation.md`) for one class of events:

    def observe(observers: Observers) -> None:
        observers.add(RequestEnded, count_request)

The rules:

* without a listener an event costs one test of an attribute, and is not created;
* a listener runs where the event happens, on the event loop or in a thread of Django's, and
  must be as quick as adding to a counter; it must not block, and must not use the database;
* a listener that fails is logged the first time, and harms neither what it observes nor the
  other listeners;
* each thing that happens is observed once, whichever room it happens in.

Revocations are observed as `trivet.identity.Revocation`, also those of other processes.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Any, TypeVar

from trivet.periodic import PeriodicTask

__all__ = [
    "BrokerMeasured",
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
"""The time between two measurements of queues, in seconds. Metrics are read every 10 to 60
seconds."""


@dataclass(frozen=True, slots=True)
class RequestEnded:
    """A request was answered, or a WebSocket ended.

    Attributes:
        method: The HTTP method; ``WEBSOCKET`` for a socket.
        mount: The mounted application (``api``); empty where none was reached.
        route: The path template, never the path itself; empty if the application does not tell it.
        status: The HTTP status; 499 for a client that left before the answer, as in the log.
        seconds: From the first byte to the end of the response, or of the socket.
        identity_kind: The kind of the caller: ``session``, ``key``, … (`Identity.kind`).
        request_id: The id that the response and the lines of the log carry.
    """

    method: str
    mount: str
    route: str
    status: int
    seconds: float
    identity_kind: str
    request_id: str


class UnitOutcome(StrEnum):
    """The end of a unit of work."""

    COMMITTED = "committed"
    """Its changes are in the database."""
    ROLLED_BACK = "rolled back"
    """The status of the response, an exception or the service decided so."""
    HELD_BACK = "held back"
    """The request succeeded, but the database or the platform refused the commit."""


@dataclass(frozen=True, slots=True)
class UnitEnded:
    """A unit of work that had begun has ended. A request that asks for no data has none.

    Reads of the platform itself (the relay, identities) are not units of work.

    Attributes:
        outcome: How it ended.
        reason: The reason why it was not committed: ``status 409``, the name of an exception,
            ``no answer``; empty after a commit.
        origin: The way by which it came: the name of a mount, ``cli``, ``background``.
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
        publications_behind: The number of committed publications in the watched channels that
            are still to be delivered; None after a failure, because it is not known then.
        failures: The number of failed looks in a row; 0 after one that succeeded.
    """

    seconds_behind: float
    publications_behind: int | None
    failures: int


@dataclass(frozen=True, slots=True)
class BrokerMeasured:
    """The broker between processes at one moment, measured every few seconds.

    Attributes:
        kind: ``postgresql`` or ``redis``.
        is_connected: Whether it carries messages now.
        lag_seconds: The time that the last message of this process to itself took; None if
            there was none yet.
        failures: The number of failed connections in a row; 0 while it is connected.
        sent: The messages that this process has sent since its start.
        received: The messages of other processes that it has received.
    """

    kind: str
    is_connected: bool
    lag_seconds: float | None
    failures: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class QueuesMeasured:
    """All queues of one kind at one moment, measured every few seconds.

    Attributes:
        name: ``sockets outgoing`` (messages that wait to be written to a socket) or
            ``subscriptions apart`` (publications that slow clients have not been sent yet; without
            their bytes).
        queues: The number of queues.
        items: The number of items in all of them together.
        bytes: The size of these items, in bytes.
        longest_bytes: The size of the largest queue, in bytes.
    """

    name: str
    queues: int
    items: int
    bytes: int
    longest_bytes: int


@dataclass(frozen=True, slots=True)
class PoolWaited:
    """A wait for a connection or a thread of a bounded pool has ended.

    Attributes:
        pool: ``database`` (connections of the API and the sockets), ``replica`` (the same to a
            replica) or ``django`` (threads with a connection each).
        seconds: The duration of the wait. It includes the time to open a connection or to test
            an idle one.
        succeeded: False if the wait was given up; the client then gets 503.
    """

    pool: str
    seconds: float
    succeeded: bool


def reason_of(error: BaseException | None) -> str:
    """The reason of a unit that `error` ended; empty without one."""
    return "" if error is None else type(error).__name__


class Observers:
    """The listeners of a process. It may be used from any thread.

    Args:
        measure_seconds: The time between two measurements of queues.

    Attributes:
        active: Whether there is any listener. Code that emits tests it before it makes an event.
    """

    __slots__ = ("_failed", "_listeners", "_lock", "_sources", "_task", "active")

    def __init__(self, *, measure_seconds: float = MEASURE_SECONDS) -> None:
        self.active = False
        # Replaced and never changed, so that `emit` iterates without the lock.
        self._listeners: dict[type, tuple[Callable[[Any], None], ...]] = {}
        self._failed: set[int] = set()
        self._sources: tuple[Callable[[], object], ...] = ()
        self._task = PeriodicTask("measurements", self._measure, lambda: measure_seconds)
        self._lock = Lock()

    def add(self, kind: type[E], listener: Callable[[E], None]) -> None:
        """Call a listener for each event of one class, from now on.

        Args:
            kind: The class of the events, not of their subclasses: `RequestEnded`, `UnitEnded`,
                `RelayMeasured`, `QueuesMeasured`, `PoolWaited`, `BrokerMeasured` or
                `trivet.identity.Revocation`.
            listener: A quick function that does not block, and uses no database.
        """
        with self._lock:
            self._listeners[kind] = (*self._listeners.get(kind, ()), listener)
            self.active = True

    def emit(self, event: object) -> None:
        """Pass an event to its listeners. Never raises.

        Args:
            event: An instance of a class that listeners were added for.
        """
        for listener in self._listeners.get(type(event), ()):
            try:
                listener(event)
            except Exception as error:  # noqa: BLE001  # whatever it is, it is the listener's alone
                self._note_failure(listener, event, error)

    def measure(self, source: Callable[[], object]) -> None:
        """Emit the measurement of a source every few seconds, while there are listeners.

        Args:
            source: A function that returns an event, such as `QueuesMeasured`.
        """
        with self._lock:
            self._sources = (*self._sources, source)

    async def start(self) -> None:
        """Begin to measure, in a task of its own. The platform calls it at its start."""
        await self._task.start()

    async def stop(self) -> None:
        """Stop measuring. Does nothing if it was not started."""
        await self._task.stop()

    async def _measure(self) -> None:
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
