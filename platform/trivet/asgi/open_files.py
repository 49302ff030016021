"""The files that this process has open, against the number that it may have.

Each connection is one. At the limit the event loop accepts a connection only to close it, without
a word to anybody: a client sees a server that hangs up, and the log shows a quiet one. So one line
says it before that, and says it again while it lasts.
"""

import asyncio
import errno
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

from trivet.periodic import PeriodicTask

LOOK_SECONDS = 5.0
SILENT_SECONDS = 60.0
"""The time between two lines about one crowd."""
_FULL = 0.9
"""The part of the limit from which on it is said: with 1,024 files, a hundred sockets are left."""
_AT_LIMIT = (errno.EMFILE, errno.ENFILE)
_LISTED = Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd")

logger = logging.getLogger(__name__)


class OpenFiles:
    """Looks at intervals how many files are open, and logs when few are left."""

    def __init__(
        self, *, seconds: float = LOOK_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._told_again_at = 0.0
        self._task = PeriodicTask("open files", self._look, lambda: seconds)

    async def start(self) -> None:
        """Begin to look."""
        await self._task.start()

    async def stop(self) -> None:
        """Look no more."""
        await self._task.stop()

    async def _look(self) -> None:
        # In a thread: to list tens of thousands takes milliseconds.
        count, limit = await asyncio.to_thread(_count), _limit()
        if count < _FULL * limit or self._clock() < self._told_again_at:
            return
        self._told_again_at = self._clock() + SILENT_SECONDS
        logger.warning(
            "%d of the %d files that this process may have are open, and each connection is one; "
            "at the limit new ones are closed unanswered. More processes share the sockets; a "
            "higher limit is LimitNOFILE= of systemd, or ulimit -Hn",
            count,
            limit,
        )


def _count() -> int:
    """The files that are open. Where the system does not let us look, none."""
    try:
        # Linux says it without a list from 6.2 on, and nothing before; macOS says something else.
        said = _LISTED.stat().st_size if sys.platform == "linux" else 0
        return said or len(list(_LISTED.iterdir()))
    except OSError as error:
        return _limit() if error.errno in _AT_LIMIT else 0


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft
