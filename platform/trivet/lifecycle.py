"""The life of a process: starting, ready, draining, stopped.

A process goes through the states in this order, once. The start and the stop are lists of steps
(`trivet.asgi.process`), which run from top to bottom. Every step is logged; the steps of a quick
start only at the level ``debug``.

* A step of starting that fails ends the start: half an application serves nothing.
* A step of stopping has a bound in seconds. One that fails or takes longer is logged, and the later
  ones still run: the uses of keys have to be written, and connections closed, even if a socket
  did not close well.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

logger = logging.getLogger(__name__)

SLOW_SECONDS = 1.0
"""A step of starting that takes longer is logged as information."""
PATIENCE_SECONDS = 5.0
"""A step of starting that takes longer is named in the log while it is waited for."""
_DONE = "%s %d of %d: %s, %.2f s"


class State(StrEnum):
    """The state of a process."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    """It finishes its work, and should get no new requests."""
    STOPPED = "stopped"


ALLOWED = {
    State.STARTING: (State.READY, State.DRAINING),  # a failed start is drained too
    State.READY: (State.DRAINING,),
    State.DRAINING: (State.STOPPED,),
    State.STOPPED: (),
}


class LifecycleError(RuntimeError):
    """A change of state that the present state does not allow."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of starting or stopping.

    `name` describes the result of the step. `seconds` bounds a step of stopping. A step of
    starting has a bound of its own, if it needs one.
    """

    name: str
    run: Callable[[], Awaitable[object]]
    seconds: float = 5.0


class Lifecycle:
    """The life of a process. It changes on the event loop, and may be read anywhere."""

    def __init__(self) -> None:
        self._state = State.STARTING
        self._drained: list[Callable[[], None]] = []
        self._is_released = False
        self.requests = RunningRequests()

    @property
    def state(self) -> State:
        """The present state."""
        return self._state

    async def start(self, steps: Sequence[Step], *, patience: float = PATIENCE_SECONDS) -> None:
        """Run every step in order; then the process is ready. An exception of a step is raised.

        A step that has not come to its end after `patience` (seconds) is named in the log, and
        again after twice that time, and so on: nobody else would know what a process waits for.
        """
        self._require(State.READY)
        for number, step in enumerate(steps, 1):
            began = time.perf_counter()
            with _naming(f"starting {number} of {len(steps)}: waiting until {step.name}", patience):
                await step.run()
            seconds = time.perf_counter() - began
            level = logging.INFO if seconds >= SLOW_SECONDS else logging.DEBUG
            logger.log(level, _DONE, "starting", number, len(steps), step.name, seconds)
        self._enter(State.READY)

    def drain(self) -> None:
        """Announce that no new requests should come. A second call changes nothing.

        Raises LifecycleError in a process that has stopped.
        """
        if self._state is not State.DRAINING:
            self._enter(State.DRAINING)
            self.release()

    def release(self) -> None:
        """Let responses that go on come to their end: a successor serves already. The process
        still answers as ready, because a balancer would give up the successor too. A second call
        changes nothing."""
        if not self._is_released:
            self._is_released = True
            for callback in self._drained:
                callback()

    def on_drain(self, callback: Callable[[], None]) -> None:
        """Call `callback`, once, when no new requests should come, or come to a successor:
        responses that go on may end."""
        self._drained.append(callback)

    async def stop(self, steps: Sequence[Step]) -> None:
        """Run every step in order, even if others fail; then the process is stopped.

        Raises LifecycleError, and runs no step, in a process that has stopped already.
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
    """Counts the requests that are being answered (``with requests: …``), on the event loop."""

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
        """Wait until no request is running."""
        await self._finished.wait()


@contextmanager
def _naming(sentence: str, seconds: float) -> Iterator[None]:
    """Log `sentence` after so many seconds, and after twice as many, until the block ends."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def name(waited: float) -> None:
        nonlocal timer
        logger.warning("%s, for %g s so far", sentence, waited)
        timer = loop.call_later(waited, name, 2 * waited)

    timer = loop.call_later(seconds, name, seconds)
    try:
        yield
    finally:
        timer.cancel()


async def _run_bounded(step: Step) -> None:
    task = asyncio.ensure_future(step.run())
    try:
        done, _ = await asyncio.wait([task], timeout=step.seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        # Not awaited: a step that does not end may ignore the cancellation too.
        task.cancel()
        raise TimeoutError(f"not done within {step.seconds:g} s")
    task.result()
