"""The looks at the servers, at intervals and while somebody waits for a replica.

How far a replica is behind is told by the primary's log: by the age of the oldest position of the
primary that the replica has not replayed yet. It needs no clock of another machine, and a primary
on which nothing happens leaves nobody behind.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from math import inf

from sqlalchemy.ext.asyncio import AsyncEngine

from trivet.data.engine import Engines
from trivet.data.outages import find_outage
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.replica import NO_STANDBY, NOT_ASKED, PAUSED, Replica, name_fault
from trivet.data.replicas.server import LOOK, ServerState
from trivet.observation import Observers
from trivet_settings.values import Pooler

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""The time between two looks at a server."""
HURRIED_SECONDS = 0.01
"""The same while a reader waits."""
ANSWER_SECONDS = 2.0
"""A server that takes longer to say something about itself is passed over."""
SAMPLES = 700
"""Positions of the primary that are remembered: more than one a second for the largest lag that
the settings allow."""
_LATE = f"no answer within {ANSWER_SECONDS:g} s"
ANOTHER_DATABASE = "is a replica of another database"


class PrimaryLog:
    """Where the log of the primary was, at moments of the last minutes.

    `clock` gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, WalPosition]] = deque(maxlen=SAMPLES)
        self.database: tuple[int, str] | None = None
        self._has_warned = False

    @property
    def newest(self) -> WalPosition | None:
        """The position of the last look; None before the first."""
        return self._samples[-1][1] if self._samples else None

    def note(self, state: ServerState) -> None:
        """Take in what the primary says. A standby that answers in its place is none."""
        if state.is_standby or state.position is None:
            return
        self.database = state.database
        if state.position != self.newest:
            self._samples.append((self._clock(), state.position))

    def note_silence(self, error: Exception) -> None:
        """Write down, once, that the primary says nothing of its log."""
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "the primary does not say where its log is, so nobody knows how far replicas are "
                "behind: %s",
                name_fault(error),
            )

    def lag_of(self, position: WalPosition) -> float:
        """How many seconds a server at `position` is behind; infinitely many if it lacks all that
        is remembered, as nobody knows then since when."""
        if self._samples and not position.covers(self._samples[0][1]):
            return inf
        since = now = self._clock()
        for at, sample in reversed(self._samples):
            if position.covers(sample):
                break
            since = at
        return now - since


class ReplicaWatch:
    """Looks at one replica, on a connection of its own, and decides whether it is used.

    Args:
        replica: The replica.
        log: The primary's log.
        lag_seconds: How far the replica may be behind.
        pooler: The kind of pooler that stands in front of it.
    """

    def __init__(
        self, replica: Replica, log: PrimaryLog, *, lag_seconds: float, pooler: Pooler
    ) -> None:
        self.replica = replica
        self._log = log
        self._lag_seconds = lag_seconds
        self._is_behind = f"more than {lag_seconds:g} s behind"
        self._engines = Engines(
            replica.address,
            connections=1,
            timeout=ANSWER_SECONDS,
            observers=Observers(),
            pooler=pooler,
        )

    async def look(self) -> None:
        """Ask the replica, and pass it over or take it back."""
        try:
            state = await ask(self._engines.single_query)
        except Exception as error:  # noqa: BLE001  # whatever it is, nobody can read there
            is_late = isinstance(error, TimeoutError)
            self.replica.pass_over(_LATE if is_late else name_fault(error))
            return
        self.replica.position = state.position
        if self._log.database is None:
            return  # nobody can say yet whose replica this is
        fault = self._find_fault(state)
        if fault == self._is_behind and self.replica.state == NOT_ASKED:
            return  # it is an instant behind, or a day: that is known when it has come this far
        if fault:
            self.replica.pass_over(fault)
        else:
            self.replica.take_back()

    def _find_fault(self, state: ServerState) -> str:
        if not state.is_standby:
            return NO_STANDBY
        if state.database != self._log.database:
            return ANOTHER_DATABASE
        if state.is_paused:
            return PAUSED
        if state.position is None or self._log.lag_of(state.position) > self._lag_seconds:
            return self._is_behind
        return ""

    async def close(self) -> None:
        """Close the connection."""
        await self._engines.close()


async def ask(engine: AsyncEngine) -> ServerState:
    """What the server behind a connection of `engine` says about itself."""
    async with asyncio.timeout(ANSWER_SECONDS), engine.connect() as connection:
        return ServerState.read((await connection.exec_driver_sql(LOOK)).one())


async def note_primary(engine: AsyncEngine, log: PrimaryLog) -> None:
    """Look at the primary; one that does not answer has no news."""
    try:
        log.note(await ask(engine))
    except Exception as error:  # noqa: BLE001  # no failed look may end the looks
        # Why it does not answer is told by the probes.
        if find_outage(error) is None and not isinstance(error, TimeoutError):
            log.note_silence(error)


class Hurry:
    """Paces the looks: at intervals, and faster as long as `is_needed` says so."""

    def __init__(self, is_needed: Callable[[], bool]) -> None:
        self._is_needed = is_needed
        self._event = asyncio.Event()

    def call(self) -> None:
        """Let the next look begin at once."""
        self._event.set()

    async def pause(self) -> None:
        """Wait for the time of the next look."""
        if self._is_needed():
            await asyncio.sleep(HURRIED_SECONDS)
            return
        self._event.clear()
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._event.wait()
        except TimeoutError:
            return
