"""The identity of a caller, and the protocol of the classes that establish one."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from trivet.errors import Forbidden, Unauthenticated

Kind = Literal["anonymous", "session", "key", "token", "system"]


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a caller, with the permissions it has.

    One identity serves several requests at once, so nothing in it may be changed.

    Attributes:
        user_id: The key of the user's row; None for nobody and for the product itself.
        username: The name to log in with; for the product itself, the name of the work.
        kind: ``anonymous``, ``session``, ``key``, ``token`` or ``system``.
        is_staff: Whether the user may open the admin.
        is_superuser: Whether the identity has every permission without holding any.
        permissions: Django's names (``departures.change_flight``), direct and by group.
        email: The user's address; may be empty.
        credential_id: A name of the credential. It cannot be used as one, so it may be logged.
        expires_at: The moment at which the credential ends by itself (aware UTC); None: never.
        source: The object from which a room made the identity. It belongs to that room.
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
        """Whether the caller is known at all (Starlette's name for it)."""
        return self.kind != "anonymous"

    @property
    def display_name(self) -> str:
        """The name that pages show (Starlette's name for it)."""
        return self.username

    def allows(self, permission: str) -> bool:
        """Whether this identity holds a permission.

        Args:
            permission: Its name as Django has it, ``app.codename``.

        Returns:
            True for a superuser, whatever the name is.
        """
        return self.is_superuser or permission in self.permissions


ANONYMOUS = Identity(user_id=None, username="", kind="anonymous")
"""The identity of a caller without a credential."""


def system(name: str) -> Identity:
    """The identity of the product's own work, such as an import or a command.

    Args:
        name: The name of the work. The audit trail shows it as the actor.

    Returns:
        An identity that may do everything.
    """
    return Identity(user_id=None, username=name, kind="system", is_superuser=True)


def require_authenticated(identity: Identity) -> None:
    """Require a known caller.

    Args:
        identity: The caller.

    Raises:
        Unauthenticated: The caller is anonymous.
    """
    if not identity.is_authenticated:
        raise Unauthenticated(
            "not-authenticated", "Log in, or send an API key as 'Authorization: Bearer <key>'."
        )


def require_permission(identity: Identity, permission: str) -> None:
    """Require a permission of the caller.

    Args:
        identity: The caller.
        permission: Its name as Django has it, ``app.codename``.

    Raises:
        Unauthenticated: The caller is anonymous.
        Forbidden: The caller does not hold the permission.
    """
    require_authenticated(identity)
    if not identity.allows(permission):
        raise Forbidden(
            "permission-denied", f"This needs the permission {permission}.", permission=permission
        )


class Authenticator(Protocol):
    """One way of establishing an identity: a cookie, a key, a token.

    A credential that is present and bad is an error, and never silently anonymous. An ambient
    one (`is_ambient`) is the exception: browsers send it on their own, and a stale cookie must
    not lock anyone out of public pages.
    """

    is_ambient: bool

    def find_credential(self, connection: HTTPConnection) -> str | None:
        """The credential that the request carries for this authenticator, if any."""
        ...

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        """The identity behind `credential`, or None if it is unknown, expired or revoked."""
        ...
