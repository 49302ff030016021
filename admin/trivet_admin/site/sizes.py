"""Whether a table has more rows than a page should list, asked seldom and cheaply.

A form with three relations would ask three times, for each visitor. So the answer is kept for a
minute in each process, and it is no count: one row behind the bound is looked for, which reads as
many rows as the bound, however large the table is.

A table that is at the bound would have another field every minute. So one that was above it has to
fall to two thirds of it before it is listed again.
"""

import time
from collections.abc import Callable, Hashable
from typing import Any

KEPT_SECONDS = 60.0


class Sizes:
    """What was found out about tables: whether each is above its bound, and when that was seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[Hashable, tuple[bool, float]] = {}

    def is_above(self, name: Hashable, rows: Any, bound: int) -> bool:
        """Whether there are more than `bound` of `rows`.

        Args:
            name: What the answer is kept under: `rows` mean the same whenever it is the same.
            rows: A queryset, which is asked for nothing as long as the answer is known.
            bound: How many are few.
        """
        found = self._known.get((name, bound))
        if found is not None and self._clock() < found[1] + KEPT_SECONDS:
            return found[0]
        was_above = found is not None and found[0]
        is_above = has_more_than(rows, bound * 2 // 3 if was_above else bound)
        self._known[name, bound] = (is_above, self._clock())
        return is_above

    def forget(self) -> None:
        """Ask anew, as after a change of the database itself."""
        self._known.clear()


def rows_of(model: type[Any]) -> Any:
    """Every row of `model`, as Django offers them in a form."""
    return model._default_manager.all()  # noqa: SLF001  # public by Django's documents


def has_more_than(rows: Any, bound: int) -> bool:
    """Whether a queryset has a row behind the first `bound` ones."""
    return bool(rows.order_by()[bound : bound + 1].exists())


sizes = Sizes()
"""Of this process."""
