"""The platform's interface to the users, which are Django's and belong to a room.

The API's login makes the same session as the admin's login page. The API may not import the
admin, so the roof gives it this object.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from starlette.requests import HTTPConnection

from trivet.identity.identity import Identity


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """A session that was opened, and the cookie that carries it.

    `max_age` in seconds; `secure` follows the scheme of the public URL.
    """

    name: str
    value: str
    max_age: int
    expires_at: datetime
    secure: bool
    identity: Identity


class Accounts(Protocol):
    """Login and logout, with Django's users and Django's sessions."""

    async def log_in(
        self, connection: HTTPConnection, username: str, password: str
    ) -> SessionCookie | None:
        """Open a session if the password is right and the user is active; otherwise return None.

        It takes the same time whether the user exists or not. The hash is computed on a bounded
        thread pool. The session is stored when this returns.
        """
        ...

    async def log_out(self, connection: HTTPConnection) -> None:
        """End the session that `connection` carries, in the database and everywhere."""
        ...

    @property
    def cookie_name(self) -> str: ...
