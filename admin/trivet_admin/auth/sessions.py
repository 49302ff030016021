"""Django's sessions and users, as the platform's identities carry them.

An identity is established once at the root with SQLAlchemy, and remembered for seconds. Its
`source` holds who the user is, so that Django can take that over without a query. It never
holds what the session contains: messages and whatever else views keep there change from one
request to the next, so Django reads it where a view asks for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from trivet.identity import Identity
from trivet_admin.auth.credentials import credential_id


@dataclass(frozen=True, slots=True)
class SessionSource:
    """One valid session: its key, its user's row, the permissions held, and when it ends."""

    session_key: str
    user_row: Mapping[str, Any]
    permissions: frozenset[str]
    expires_at: datetime | None = None

    def make_user(self) -> Any:
        """A Django user of one's own, with the permissions that it would look up at the first
        check. Each request gets another: views set attributes on it."""
        user = user_from_row(self.user_row)
        user._perm_cache = set(self.permissions)  # noqa: SLF001  # private; pinned by a test
        return user


def session_cookie() -> str:
    """The name of the session's cookie, as Django was configured with it."""
    from django.conf import settings

    return str(settings.SESSION_COOKIE_NAME)


def user_from_row(row: Mapping[str, Any]) -> Any:
    """A Django user as if loaded from the database. Columns that `row` lacks are deferred."""
    from django.contrib.auth import get_user_model

    user = get_user_model()
    names = [field.attname for field in user._meta.concrete_fields if field.attname in row]
    return user.from_db("default", names, [row[name] for name in names])


def identity_of(source: SessionSource) -> Identity:
    """The platform's identity for a valid session."""
    row = source.user_row
    return Identity(
        user_id=row["id"],
        username=row["username"],
        kind="session",
        is_staff=row["is_staff"],
        is_superuser=row["is_superuser"],
        permissions=source.permissions,
        email=row["email"],
        credential_id=credential_id(source.session_key),
        expires_at=source.expires_at,
        source=source,
    )
