"""How long one waits: a few tasks that do the same again and again, and the time of each."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Durations:
    """What one measurement gave: how often in how many seconds, and each duration in ms."""

    name: str
    seconds: float
    durations: list[float]

    def row(self) -> tuple[str, ...]:
        cuts = statistics.quantiles(self.durations, n=100)
        rate = len(self.durations) / self.seconds
        return self.name, f"{rate:,.0f}", f"{cuts[49]:.1f}", f"{cuts[94]:.1f}", f"{cuts[98]:.1f}"


async def measure(
    name: str, seconds: float, at_once: int, action: Callable[[], Awaitable[object]]
) -> Durations:
    """Repeat `action` for `seconds` in `at_once` tasks, each waiting for its own answers."""
    durations: list[float] = []
    start = time.perf_counter()

    async def repeat() -> None:
        while (begun := time.perf_counter()) - start < seconds:
            await action()
            durations.append((time.perf_counter() - begun) * 1000)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(repeat())
    return Durations(name, time.perf_counter() - start, durations)
