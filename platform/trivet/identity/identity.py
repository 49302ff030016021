"""The identity, and the protocol of those who can establish one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from trivet.errors import Forbidden, Unauthenticated

Kind = Literal["anonymous", "session", "key", "system"]


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a caller, with the permissions it has.

    `permissions` are Django's names (``departures.change_flight``), direct and by group;
    a superuser has every permission without holding any. `credential_id` names the
    credential without being usable as one, so that it may be logged and revoked by.
    `expires_at` (aware) is when the credential ends by itself. `source` belongs to the room
    that established the identity; an identity serves several requests at once, so nothing in
    it may be changed.
    """

    user_id: int | None
    username: str
    kind: Kind
    is_staff: bool = False
    is_superuser: bool = False
    permissions: frozenset[str] = frozenset()
    email: str = ""
    credential_id: str = ""
    expires_at: datetime | None = None
    source: Any = field(default=None, compare=False, repr=False)

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody is known at all (Starlette's name for it)."""
        return self.kind != "anonymous"

    @property
    def display_name(self) -> str:
        return self.username

    def allows(self, permission: str) -> bool:
        """Whether this identity holds `permission` (``app.codename``)."""
        return self.is_superuser or permission in self.permissions


ANONYMOUS = Identity(user_id=None, username="", kind="anonymous")


def system(name: str) -> Identity:
    """The identity of the product's own work (an import, a command): may do everything."""
    return Identity(user_id=None, username=name, kind="system", is_superuser=True)


def require_authenticated(identity: Identity) -> None:
    """Raise Unauthenticated unless somebody is known."""
    if not identity.is_authenticated:
        raise Unauthenticated(
            "not-authenticated", "Log in, or send an API key as 'Authorization: Bearer <key>'."
        )


def require_permission(identity: Identity, permission: str) -> None:
    """Raise Unauthenticated for nobody, Forbidden for somebody without `permission`."""
    require_authenticated(identity)
    if not identity.allows(permission):
        raise Forbidden(
            "permission-denied", f"This needs the permission {permission}.", permission=permission
        )


class Authenticator(Protocol):
    """One way of establishing an identity: a cookie, a key, a token.

    A credential that is present and bad is an error, never silently anonymous, unless
    `is_ambient` says that browsers send it on their own (a stale cookie must not lock
    anyone out of public pages).
    """

    is_ambient: bool

    def find_credential(self, connection: HTTPConnection) -> str | None:
        """The credential that the request carries for this authenticator, if any."""
        ...

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        """The identity behind `credential`, or None if it is unknown, expired or revoked."""
        ...
