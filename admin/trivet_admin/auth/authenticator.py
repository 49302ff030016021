"""The session cookie, established with SQLAlchemy: two or three small queries, no thread."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import HTTPConnection

from trivet.identity import Identity
from trivet.identity.django_tables import sessions, users
from trivet.identity.permissions import read_permissions
from trivet_admin.auth.sessions import (
    SessionSource,
    identity_of,
    session_cookie,
    user_from_row,
)


class SessionAuthenticator:
    """Establishes the user of a session, from a login through the admin's login page or the API's.

    The checks are Django's own, in its order: the session is there and not expired, its
    data is signed by us, its user is active, and the password has not changed since.
    """

    is_ambient = True

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return connection.cookies.get(session_cookie()) or None

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        found_session = await _read_session(session, credential)
        if found_session is None:
            return None
        data, expires_at = found_session
        user_id = _user_id(data)
        if user_id is None:
            return None
        found = await session.execute(select(users).where(users.c.id == user_id))
        mapping = found.mappings().one_or_none()
        row = {} if mapping is None else {str(name): value for name, value in mapping.items()}
        if not row or not row["is_active"] or not _is_bound_to_password(data, row):
            return None
        held = frozenset[str]()
        if not row["is_superuser"]:  # who may do everything holds nothing in particular
            held = await read_permissions(session, user_id)
        return identity_of(SessionSource(credential, row, held, expires_at))


async def _read_session(
    session: AsyncSession, key: str
) -> tuple[Mapping[str, Any], datetime] | None:
    """The data of a session, and its end."""
    from trivet_admin.auth.session_store import SessionStore

    row = (
        await session.execute(
            select(sessions.c.session_data, sessions.c.expire_date).where(
                sessions.c.session_key == key, sessions.c.expire_date > datetime.now(UTC)
            )
        )
    ).one_or_none()
    # Data with a broken signature decodes to nothing, as Django has it.
    data = None if row is None else SessionStore().decode(row.session_data)
    return (data, row.expire_date) if row is not None and data else None


def _user_id(data: Mapping[str, Any]) -> int | None:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, SESSION_KEY

    if data.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return None
    given = str(data.get(SESSION_KEY, ""))
    return int(given) if given.isdecimal() else None


def _is_bound_to_password(data: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    from django.contrib.auth import HASH_SESSION_KEY
    from django.utils.crypto import constant_time_compare

    user = user_from_row(row)
    given = data.get(HASH_SESSION_KEY, "")
    expected = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(given, each) for each in expected)
