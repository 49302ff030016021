"""Revocations: what was trusted a moment ago, and is not any more.

Whoever keeps trust for longer than one request (an open socket, a cache) subscribes. A
revocation is told in the process in which it happens, before `revoke` returns; a `Carrier`,
if there is one, takes it to the other workers.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock
from typing import Protocol, TypeVar

from trivet.identity.identity import Identity, Kind

logger = logging.getLogger(__name__)

T = TypeVar("T")


class RevocationScope(StrEnum):
    """What was lost: all trust, or only the certainty of what somebody may do."""

    CREDENTIAL = "credential"
    """The credential opens nothing any more."""
    GRANTS = "grants"
    """The credential may be as good as ever, but what it allows has to be read again."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Everything of one user, or one credential (`Identity.credential_id`).

    With `kind`, only identities that were established that way: a new password ends a
    user's sessions and leaves the API keys alone. Nothing in it can be used as a credential,
    so that it may be logged and carried.
    """

    user_id: int | None = None
    credential_id: str | None = None
    kind: Kind | None = None
    scope: RevocationScope = RevocationScope.CREDENTIAL

    def __post_init__(self) -> None:
        if self.user_id is None and self.credential_id is None:
            raise ValueError("a revocation names a user or a credential")

    def concerns(self, identity: Identity) -> bool:
        """Whether `identity` is one of those that are meant."""
        if self.kind is not None and identity.kind != self.kind:
            return False
        if self.credential_id is not None:
            return identity.credential_id == self.credential_id
        return identity.user_id == self.user_id


class Carrier(Protocol):
    """Takes revocations to the other workers; a broker brings one.

    On arrival the other side calls `Revocations.receive`.
    """

    def carry(self, revocation: Revocation) -> None:
        """Send, without blocking; called in any thread. What cannot be sent is the carrier's
        to keep or to report: nobody waits for it here."""
        ...


class Revocations:
    """Tells every subscriber of a revocation. Safe to call from any thread."""

    def __init__(self) -> None:
        self._subscribers: list[Callable[[Revocation], None]] = []
        self._carriers: list[Carrier] = []
        self._lock = Lock()

    def subscribe(self, callback: Callable[[Revocation], None]) -> Callable[[], None]:
        """Call `callback` on each revocation, in the revoking thread; returns the way out."""
        return self._add(self._subscribers, callback)

    def carry_by(self, carrier: Carrier) -> Callable[[], None]:
        """Hand each revocation of this process to `carrier` as well; returns the way out."""
        return self._add(self._carriers, carrier)

    def revoke(
        self,
        *,
        user_id: int | None = None,
        credential_id: str | None = None,
        kind: Kind | None = None,
        scope: RevocationScope = RevocationScope.CREDENTIAL,
    ) -> None:
        """Tell every subscriber, then the carriers; one that fails is logged and does not
        stop the others."""
        revocation = Revocation(user_id, credential_id, kind, scope)
        self.receive(revocation)
        for carrier in tuple(self._carriers):
            _attempt(carrier.carry, revocation)

    def receive(self, revocation: Revocation) -> None:
        """Tell the subscribers of a revocation that another worker sent; it goes no further."""
        with self._lock:
            subscribers = tuple(self._subscribers)
        for callback in subscribers:
            _attempt(callback, revocation)

    def _add(self, listed: list[T], one: T) -> Callable[[], None]:
        with self._lock:
            listed.append(one)

        def remove() -> None:
            with self._lock:
                if one in listed:
                    listed.remove(one)

        return remove


def _attempt(callback: Callable[[Revocation], None], revocation: Revocation) -> None:
    try:
        callback(revocation)
    except Exception:
        logger.exception("a subscriber of revocations failed")
