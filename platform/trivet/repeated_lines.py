"""Lines that a library repeats for as long as something lasts, each written once in a while.

Whoever retries twice a second logs each failure, and one outage of a database would be thousands
of the same lines.
"""

import logging
import time
from collections.abc import Callable

SILENT_SECONDS = 60.0
"""The time between two of the same lines."""


class RepeatedLines:
    """A filter for a logger of `logging`: drops a line that says what the last one of its place in
    the code said, less than `SILENT_SECONDS` ago."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: dict[object, tuple[str, float]] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        """Whether `record` is to be written."""
        said, now = record.getMessage(), self._clock()
        before, told_again_at = self._last.get(record.msg, ("", 0.0))
        if said == before and now < told_again_at:
            return False
        self._last[record.msg] = said, now + SILENT_SECONDS
        return True
