"""Django's sessions and users, as the platform's identities carry them.

An identity is established once at the root with SQLAlchemy. Its `source` holds what Django
would have read itself, so that Django can take the identity over without a query.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trivet.identity import Identity
from trivet_admin.credentials import credential_id


@dataclass(frozen=True, slots=True)
class SessionSource:
    """One valid session: its key, its decoded data, its user's row, the permissions held."""

    session_key: str
    session_data: Mapping[str, Any]
    user_row: Mapping[str, Any]
    permissions: frozenset[str]

    def open_store(self) -> Any:
        """Django's session, already loaded."""
        from django.contrib.sessions.backends.db import SessionStore

        store: Any = SessionStore(self.session_key)
        store._session_cache = copy.deepcopy(dict(self.session_data))  # noqa: SLF001  # private; pinned by a test
        return store

    def make_user(self) -> Any:
        """Django's user, with the permissions that it would look up at the first check."""
        user = user_from_row(self.user_row)
        user._perm_cache = set(self.permissions)  # noqa: SLF001  # private; pinned by a test
        return user


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
        source=source,
    )
