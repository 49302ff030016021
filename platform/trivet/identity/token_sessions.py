"""The session behind a token: whoever has logged out opens nothing with a token of before.

A token is good for minutes, and a logout should not have to wait for them. So a token that a
session asked for names that session, and whoever accepts the token asks the database whether the
session is still there and its user's password still the same.

The page that holds the token may not learn the session's key, which is the cookie that no script
can read. The claim is encrypted for this installation (Fernet); to others it is one more claim, and
they ignore it.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from trivet.identity.django_tables import sessions, users
from trivet.identity.identity import Identity
from trivet.identity.recheck import OfSession
from trivet_settings import Settings


class NamedSession(msgspec.Struct, frozen=True):
    """A session as a token names it: its key, and a digest of its user's password (which Django
    has hashed), because a change of that ends it too."""

    key: str
    password: str


@dataclass(frozen=True, slots=True)
class TokenSession:
    """The source of an identity of such a token: it is compared like a session's own
    (`trivet.identity.recheck`)."""

    session_key: str
    user_row: Mapping[str, Any]


class SessionSeal:
    """Writes and reads the claim, under a key of this installation."""

    def __init__(self, key: bytes) -> None:
        self._key = base64.urlsafe_b64encode(hashlib.sha256(key).digest())

    def seal(self, identity: Identity) -> str:
        """The claim for a token that `identity` asks for; empty if it has no session."""
        source = identity.source
        if not isinstance(source, OfSession):
            return ""
        # Only here: a process without tokens of sessions needs no cryptography.
        from cryptography.fernet import Fernet

        named = NamedSession(source.session_key, _digest(source.user_row.get("password", "")))
        return Fernet(self._key).encrypt(msgspec.json.encode(named)).decode()

    def open(self, claim: str) -> NamedSession | None:
        """What `seal` has put into a claim; None for anything else."""
        from cryptography.fernet import Fernet, InvalidToken

        try:
            return msgspec.json.decode(Fernet(self._key).decrypt(claim), type=NamedSession)
        except (InvalidToken, msgspec.MsgspecError, UnicodeError):
            return None


def seal_of(settings: Settings) -> SessionSeal:
    """The seal of an installation."""
    secret = settings.secret_key.get_secret_value().encode()
    return SessionSeal(hmac.digest(secret, b"trivet session of a token", hashlib.sha256))


async def find_in_session(
    session: AsyncSession, identity: Identity, named: NamedSession
) -> Identity | None:
    """`identity` with its session as its source; None if that has ended."""
    query = (
        select(users.c.password)
        .join(sessions, sessions.c.session_key == named.key)
        .where(users.c.id == identity.user_id, sessions.c.expire_date > datetime.now(UTC))
    )
    password = await session.scalar(query)
    if password is None or not hmac.compare_digest(_digest(password), named.password):
        return None
    return replace(identity, source=TokenSession(named.key, {"password": password}))


def _digest(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
