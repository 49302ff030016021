"""The clocks of all connections in one wheel.

A connection needs a clock for pings, one for pongs and sometimes more. A task or a timer of the
event loop for each costs kilobytes; here a clock is an entry in a slot of time, and the loop knows
of one timer in all. A slot is short against every bound in seconds, and a call comes at most one
slot late.
"""

import asyncio
import heapq
import logging
import math
from collections.abc import Callable

logger = logging.getLogger(__name__)

SLOT_SECONDS = 0.05


class Timer:
    """One call that is to come."""

    __slots__ = ("_slot", "callback")

    def __init__(self, callback: Callable[[], None], slot: set["Timer"]) -> None:
        self.callback = callback
        self._slot = slot
        slot.add(self)

    def cancel(self) -> None:
        """Never call. To cancel what was called already does nothing."""
        self._slot.discard(self)
        # Whoever holds this is mostly what it would call: a circle.
        self.callback = _nothing


def _nothing() -> None: ...


class TimerWheel:
    """Calls functions at their time; used on one event loop."""

    def __init__(self) -> None:
        self._slots: dict[int, set[Timer]] = {}
        self._order: list[int] = []
        self._next: asyncio.TimerHandle | None = None

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` after `seconds`, at most one slot late."""
        loop = asyncio.get_running_loop()
        number = math.ceil((loop.time() + seconds) / SLOT_SECONDS)
        slot = self._slots.get(number)
        if slot is None:
            slot = self._slots[number] = set()
            heapq.heappush(self._order, number)
            if self._order[0] == number:
                self._wait(loop)
        return Timer(callback, slot)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None
        if self._order:
            self._next = loop.call_at(self._order[0] * SLOT_SECONDS, self._turn)

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        while self._order and self._order[0] * SLOT_SECONDS <= loop.time():
            slot = self._slots.pop(heapq.heappop(self._order))
            while slot:
                timer = slot.pop()
                try:
                    timer.callback()
                except Exception:
                    logger.exception("a timer of a connection failed")
        self._wait(loop)
