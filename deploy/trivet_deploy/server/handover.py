"""A reload (SIGHUP) replaces workers by workers that serve already.

Gunicorn starts the new workers and tells the old ones to stop in the same moment. Until the new
ones have loaded the application, which takes seconds, nobody serves: requests wait, and every
socket is closed with nowhere to go. Here an old worker that is told to stop goes on serving until
as many new ones are ready.

The master and its workers share a piece of memory. The master notes in it which workers are old,
each new worker notes in it that it is ready, and the old ones look. Nobody waits for ever: Gunicorn
tells an old worker a second time when its `graceful_timeout` has passed, and a service that stops
altogether tells all of them again. The second time, a worker stops at once.
"""

import mmap
import struct

_OLDEST_NEW = struct.Struct("q")
_WORKERS = 4096
"""More than one machine runs, so that two new workers never share a place."""


class Handover:
    """Which workers are to be replaced, and how many of their successors are ready.

    Made by the master before it forks. Workers are known by their age: Gunicorn counts them as it
    starts them.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _OLDEST_NEW.size + _WORKERS)

    def begin(self, youngest: int) -> None:
        """Called in the master: from now on all workers up to the age of `youngest` are old."""
        self._memory[_OLDEST_NEW.size :] = bytes(_WORKERS)
        _OLDEST_NEW.pack_into(self._memory, 0, youngest + 1)

    def note_ready(self, age: int) -> None:
        """Called in a worker that serves."""
        if age >= self._oldest_new:
            self._memory[_OLDEST_NEW.size + age % _WORKERS] = 1

    def must_wait(self, age: int, workers: int) -> bool:
        """Whether the worker of this age is old, and fewer than `workers` new ones are ready."""
        return age < self._oldest_new and sum(self._memory[_OLDEST_NEW.size :]) < workers

    @property
    def _oldest_new(self) -> int:
        oldest: int = _OLDEST_NEW.unpack_from(self._memory)[0]
        return oldest
