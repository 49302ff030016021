"""The life of a process: starting, ready, draining, stopped.

A process goes through the states in this order, once. What starts and what stops is a list of
steps (`trivet.asgi.process`), read from top to bottom. Every step is logged, those of a quick
start at the level of debugging.

* A step of starting that fails ends the start: nothing is served by half of an application.
* A step of stopping has a bound in seconds. One that fails or takes longer is logged, and the
  later ones run all the same: what a process owes others (uses of keys, connections) does not
  depend on how well its sockets closed.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

logger = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
"""A step of starting that takes longer is worth a line of its own."""
_DONE = "%s %d of %d: %s, %.2f s"


class State(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """It finishes what it has begun, and nothing new should be sent to it."""
    STOPPED = "stopped"


ALLOWED = {
    State.STARTING: (State.READY, State.DRAINING),  # a start that failed is drained as well
    State.READY: (State.DRAINING,),
    State.DRAINING: (State.STOPPED,),
    State.STOPPED: (),
}


class LifecycleError(RuntimeError):
    """A process was to enter a state that its present one does not lead to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of starting or stopping.

    `name` says what is so when the step is done. `seconds` bounds a step of stopping; a
    start takes the time that it takes, for the server has a bound of its own.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    seconds: float = 5.0


class Lifecycle:
    """The state of a process. Changed on its event loop; may be read anywhere."""

    def __init__(self) -> None:
        self._state = State.STARTING
        self.requests = RunningRequests()

    @property
    def state(self) -> State:
        """Where the process is."""
        return self._state

    async def start(self, steps: Sequence[Step]) -> None:
        """Run every step in order; then the process is ready. Raises what a step raises."""
        self._require(State.READY)
        for number, step in enumerate(steps, 1):
            began = time.perf_counter()
            await step.run()
            seconds = time.perf_counter() - began
            level = logging.INFO if seconds >= SLOW_SECONDS else logging.DEBUG
            logger.log(level, _DONE, "starting", number, len(steps), step.name, seconds)
        self._enter(State.READY)

    def drain(self) -> None:
        """Say that nothing new should be sent here. To say it again changes nothing.

        Raises LifecycleError in a process that has stopped.
        """
        if self._state is not State.DRAINING:
            self._enter(State.DRAINING)

    async def stop(self, steps: Sequence[Step]) -> None:
        """Run every step in order, whatever becomes of the others; then the process is stopped.

        Raises LifecycleError in a process that has stopped already, and runs no step then.
        """
        if self._state is not State.DRAINING:
            self._require(State.DRAINING)
        for number, step in enumerate(steps, 1):
            began = time.perf_counter()
            try:
                await _run_bounded(step)
            except Exception:
                logger.exception("stopping %d of %d: failed: %s", number, len(steps), step.name)
            else:
                seconds = time.perf_counter() - began
                logger.info(_DONE, "stopping", number, len(steps), step.name, seconds)
        self.drain()
        self._enter(State.STOPPED)

    def _enter(self, state: State) -> None:
        self._require(state)
        self._state = state
        logger.info("this process is %s", state)

    def _require(self, state: State) -> None:
        if state not in ALLOWED[self._state]:
            raise LifecycleError(f"a process that is {self._state} cannot become {state}")


class RunningRequests:
    """Counts the requests that are being answered: ``with requests: …``, on the event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._finished = asyncio.Event()
        self._finished.set()

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> None:
        if not self._count:
            self._finished.clear()
        self._count += 1

    def __exit__(self, *_error: object) -> None:
        self._count -= 1
        if not self._count:
            self._finished.set()

    async def wait_finished(self) -> None:
        """Return when none is running."""
        await self._finished.wait()


async def _run_bounded(step: Step) -> None:
    task = asyncio.ensure_future(step.run())
    try:
        done, _ = await asyncio.wait([task], timeout=step.seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        # Not awaited: what does not end may not heed a cancellation either.
        task.cancel()
        raise TimeoutError(f"not done within {step.seconds:g} s")
    task.result()
