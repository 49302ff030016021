"""Long walks through what a process has, in slices, between which the event loop gets its turn."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 500
"""Items between two turns of the event loop; a millisecond of work for each."""


async def in_slices(items: Iterable[T]) -> AsyncIterator[T]:
    """`items` as they are now, with pauses."""
    for number, item in enumerate(tuple(items), 1):
        yield item
        if number % SLICE == 0:
            await asyncio.sleep(0)
