"""The bell: rung after a commit, so that nobody has to wait for the next poll.

It carries names, never data: the rows are the truth, and whoever hears the bell reads them.
A ring that gets lost therefore costs a moment and nothing else. A broker that spans
processes is one more listener here, and one more ringer.
"""

import logging
from collections.abc import Callable, Mapping
from threading import Lock

logger = logging.getLogger(__name__)

Listener = Callable[[Mapping[str, int]], None]


class Bell:
    """Tells its listeners which channels have something new. Safe to use from any thread."""

    def __init__(self) -> None:
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` at every ring, in the ringing thread; returns the way out."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def leave() -> None:
            with self._lock:
                self._listeners = tuple(each for each in self._listeners if each is not listener)

        return leave

    def ring(self, channels: Mapping[str, int]) -> None:
        """Say that `channels` have reached these offsets.

        Called after a commit, when there is no way back: a listener that fails is logged, and
        neither the caller nor the other listeners hear of it.
        """
        if not channels:
            return
        for listener in self._listeners:
            try:
                listener(channels)
            except Exception:
                logger.exception("a listener of the bell failed; its poll will make up for it")
