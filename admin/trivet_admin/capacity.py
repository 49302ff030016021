"""The bound on threads that work in Django at the same time.

Each thread takes up to one database connection, and Django itself bounds neither.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from trivet.data.errors import busy
from trivet.observation import PoolWaited
from trivet_admin import runtime

WAIT_SECONDS = 5.0
"""As long as the pools wait for a connection. A request that waits longer gets 503."""


class CapacityLimiter:
    """At most `limit` holders at a time; others wait in line, first come, first served."""

    def __init__(self, limit: int, seconds: float = WAIT_SECONDS) -> None:
        self.limit = limit
        self._seconds = seconds
        self._semaphore: anyio.Semaphore | None = None

    async def acquire(self) -> None:
        """Take a place. Raises Unavailable if none is free in time."""
        if self._semaphore is None:  # made where the event loop is known
            self._semaphore = anyio.Semaphore(self.limit)
        began, succeeded = time.perf_counter(), False
        try:
            with anyio.fail_after(self._seconds):
                await self._semaphore.acquire()
            succeeded = True
        except TimeoutError as error:
            raise busy() from error
        finally:
            if (observers := runtime.observers()).active:
                seconds = time.perf_counter() - began
                observers.emit(PoolWaited("django", seconds, succeeded))

    def release(self) -> None:
        """Give a place back."""
        assert self._semaphore is not None
        self._semaphore.release()

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """A place for as long as the block lasts. Raises Unavailable as `acquire` does."""
        await self.acquire()
        try:
            yield
        finally:
            self.release()
