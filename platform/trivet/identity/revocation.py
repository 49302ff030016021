"""Revocations: what was trusted a moment ago, and is not any more.

Whoever keeps trust for longer than one request (an open socket, a cache) subscribes.
A revocation is told in the process it happens in; carrying it to other workers is the
broker's work.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything of one user, or one credential (`Identity.credential_id`)."""

    user_id: int | None = None
    credential_id: str | None = None

    def __post_init__(self) -> None:
        if self.user_id is None and self.credential_id is None:
            raise ValueError("a revocation names a user or a credential")


class Revocations:
    """Tells every subscriber of a revocation. Safe to call from any thread."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Revocation], None]] = []
        self._lock = Lock()

    def subscribe(self, callback: Callable[[Revocation], None]) -> Callable[[], None]:
        """Call `callback` on each revocation, in the revoking thread; returns the way out."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def revoke(self, *, user_id: int | None = None, credential_id: str | None = None) -> None:
        """Tell every subscriber; one that fails is logged and does not stop the others."""
        revocation = Revocation(user_id, credential_id)
        with self._lock:
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            try:
                callback(revocation)
            except Exception:
                logger.exception("a subscriber of revocations failed")
