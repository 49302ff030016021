"""Turns: how many threads of this process may stand in Django at once.

Each takes up to one database connection, and nothing in Django bounds either.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from trivet.data.errors import busy

TURN_SECONDS = 5.0
"""As long as the pools wait for a connection: whoever waits longer is told to come back."""


class Turns:
    """`limit` turns; who finds none waits in line, first come, first served."""

    def __init__(self, limit: int, seconds: float = TURN_SECONDS) -> None:
        self.limit = limit
        self._seconds = seconds
        self._semaphore: anyio.Semaphore | None = None

    async def take(self) -> None:
        """Take a turn. Raises Unavailable if none is free within the time."""
        if self._semaphore is None:  # made where the event loop is known
            self._semaphore = anyio.Semaphore(self.limit)
        try:
            with anyio.fail_after(self._seconds):
                await self._semaphore.acquire()
        except TimeoutError as error:
            raise busy() from error

    def give_back(self) -> None:
        """End a turn that was taken."""
        assert self._semaphore is not None
        self._semaphore.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn for as long as the block lasts. Raises Unavailable as `take` does."""
        await self.take()
        try:
            yield
        finally:
            self.give_back()
