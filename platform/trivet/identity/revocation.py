"""The revocation: the message that a credential is no longer to be trusted.

Everything that trusts a credential for longer than one request (an open socket, a cache)
subscribes to it at the broker. Code that ends the trust publishes one after the commit; in the
same process it has taken effect when `publish` returns.
"""

from enum import StrEnum

from trivet.broker import Message
from trivet.identity.identity import Identity, Kind


class RevocationScope(StrEnum):
    """The part of the trust that has ended."""

    CREDENTIAL = "credential"
    """The credential itself is not valid any more."""
    GRANTS = "grants"
    """The credential is still valid, but its permissions have to be read again."""


class Revocation(Message, frozen=True, tag="revocation"):
    """The end of trust in one credential, or in all credentials of one user.

    Nothing in it can be used as a credential, so it may be logged and sent.

    Attributes:
        user_id: The user whose credentials are meant; None if one credential is meant.
        credential_id: The one credential that is meant, as `Identity.credential_id`.
        kind: Only identities of this kind are meant. A new password ends a user's sessions
            (``session``), and the tokens that their pages asked for; it leaves the API keys
            alone. None: all kinds.
        scope: Whether the credential has ended, or only its permissions have changed.
    """

    user_id: int | None = None
    credential_id: str | None = None
    kind: Kind | None = None
    scope: RevocationScope = RevocationScope.CREDENTIAL

    def __post_init__(self) -> None:
        if self.user_id is None and self.credential_id is None:
            raise ValueError("a revocation names a user or a credential")

    def concerns(self, identity: Identity) -> bool:
        """Whether the revocation means an identity.

        Args:
            identity: An identity that somebody still trusts.
        """
        kind = "session" if identity.kind == "token" else identity.kind
        if self.kind is not None and kind != self.kind:
            return False
        if self.credential_id is not None:
            return identity.credential_id == self.credential_id
        return identity.user_id == self.user_id
