"""The revocation: the message that something is not to be trusted any more.

Whoever keeps trust for longer than one request (an open socket, a cache) subscribes to it at
the broker. Whoever ends trust publishes one after the commit; in the same process it has
taken effect when `publish` returns.
"""

from enum import StrEnum

from trivet.broker import Message
from trivet.identity.identity import Identity, Kind


class RevocationScope(StrEnum):
    """The loss: all trust, or only the certainty of the permissions."""

    CREDENTIAL = "credential"
    """The credential opens nothing any more."""
    GRANTS = "grants"
    """The credential may be as good as ever, but what it allows has to be read again."""


class Revocation(Message, frozen=True, tag="revocation"):
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
