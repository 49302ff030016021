"""Work with the database that a stopping task brings to its end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

STOP_SECONDS = 3.0
"""The time for which a stopping task waits for the database before it gives up its work."""


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """Await `work`. A cancelled call still waits for its end, for at most `STOP_SECONDS`.

    If a connection is cancelled while it opens, no pool closes it, and the thread of aiosqlite
    behind it answers to a loop that may be gone.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=STOP_SECONDS)
        task.cancel()
        raise
