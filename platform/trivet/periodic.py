"""Work at intervals, in a task of its own, for as long as a process serves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress


class PeriodicTask:
    """Calls `work` again and again, for the first time after one interval.

    Args:
        name: The name of the task, for debuggers.
        work: It handles its own failures: an exception ends the task.
        interval: A function that returns the seconds until the next call.
    """

    def __init__(
        self, name: str, work: Callable[[], Awaitable[object]], interval: Callable[[], float]
    ) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """Stop, in the middle of the work too. Does nothing if it was not started."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval())
            await self._work()


def first_line(error: Exception) -> str:
    """What `error` says, for a line of the log: SQLAlchemy adds lines with its statement."""
    return str(error).partition("\n")[0]
