"""The watchdog: which code blocks the event loop of this process.

A blocking call in an endpoint (`time.sleep`, a slow client library, a heavy computation) holds up
every request of its worker, and the log shows only that all of them were slow. So a thread looks
whether the loop still turns. If it does not for longer than a bound, one line names the request and
shows where its code stands; another one says how long it took. The debug hooks of asyncio see
nothing under uvloop, and `loop.slow_callback_duration` speaks only after the fact.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from types import FrameType

logger = logging.getLogger(__name__)

_LOOKS = 4
"""How often the thread looks within the bound: a block is told at most a fourth of it late."""
_FRAMES = 12
"""Of the stack, the innermost ones: the endpoint and what it called."""


class Watchdog:
    """Watches the event loop on which `start` is called; `seconds` is the bound, 0 for none."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._turned = 0.0
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self._loop_thread = 0

    async def start(self) -> None:
        """Begin to watch. Without a bound this does nothing."""
        if not self._seconds:
            return
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._stopped.clear()
        self._turn()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Watch no more."""
        if self._thread is None or self._timer is None:
            return
        self._timer.cancel()
        self._stopped.set()
        await asyncio.to_thread(self._thread.join)
        self._thread = None

    def _turn(self) -> None:
        assert self._loop is not None
        now = self._clock()
        if self._told:
            self._told = False
            logger.warning("the event loop turns again, after %.1f s", now - self._turned)
        self._turned = now
        self._timer = self._loop.call_later(self._seconds / _LOOKS, self._turn)

    def _watch(self) -> None:
        while not self._stopped.wait(self._seconds / _LOOKS):
            if not self._told and self._clock() - self._turned > self._seconds:
                self._tell()

    def _tell(self) -> None:
        task = asyncio.current_task(self._loop)
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001  # documented, for all its underscore
        if task is None or frame is None:
            return  # the machine is busy, and no code of ours holds the loop
        self._told = True
        logger.warning(
            "the event loop is blocked for more than %g s by %s, and everybody waits:\n%s",
            self._seconds,
            task.get_name(),
            _describe(frame),
        )


def _describe(frame: FrameType) -> str:
    return "".join(traceback.format_stack(frame)[-_FRAMES:]).rstrip()
