"""API keys: shown once, stored as a hash, recognisable by a prefix.

A key is ``tvt_<id>_<secret>``. The id finds the row and may be logged; the secret has 256
random bits, so one round of SHA-256 keeps it safe at rest (slow hashes protect passwords that
can be guessed), and it is compared in constant time.

A key has the present permissions of its owner; with scopes, only those that the scopes name.
Scopes never add a permission: if the owner loses one, the key loses it too.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import ForeignKey, String, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet.errors import InputError, Invalid, NotFound
from trivet.identity.django_tables import users
from trivet.identity.identity import Identity
from trivet.identity.permissions import read_permissions
from trivet.models.base import Model
from trivet.models.types import BigKey

KEY_PATTERN = re.compile(r"(tvt_[a-z0-9]{12})_([A-Za-z0-9_-]{43})")
KEY_START = "tvt_"
"""Every key begins with this, so that scanners of leaked secrets can find one."""

DEFAULT_DAYS = 365
"""The default life of a key, for every way of making one."""

_ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID_CHARACTERS = 12
_SECRET_BYTES = 32
_NO_DIGEST = "0" * 64
"""The digest for the comparison if there is no key. No secret with this digest is known."""


class ApiKey(Model):
    """One key. The database never holds the key itself."""

    __tablename__ = "trivet_api_key"
    __table_args__ = ({"info": {"verbose_name": "API key"}},)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    prefix: Mapped[str] = mapped_column(
        String(16), unique=True, comment="The public beginning of the key, by which it is known."
    )
    digest: Mapped[str] = mapped_column(String(64), info={"audit": "redacted"})
    owner_id: Mapped[int] = mapped_column(
        BigKey, ForeignKey("accounts_user.id", ondelete="CASCADE"), index=True
    )
    label: Mapped[str] = mapped_column(String(100), comment="What the key is for.")
    created_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))
    expires_at: Mapped[datetime | None] = mapped_column(comment="Empty: the key does not expire.")
    revoked_at: Mapped[datetime | None]
    scopes: Mapped[list[Any] | None] = mapped_column(
        comment="Permissions that the key is limited to. Empty: all that its owner has."
    )
    last_used_at: Mapped[datetime | None] = mapped_column(
        comment="Written in batches, so that it may be half a minute behind.",
        info={"audit": "ignored"},
    )

    def __str__(self) -> str:
        return f"{self.label} ({self.prefix}…)"

    def is_usable(self, now: datetime) -> bool:
        """Whether the key is valid at `now` (aware)."""
        return self.state(now) == "usable"

    def state(self, now: datetime) -> Literal["usable", "expired", "revoked"]:
        """The state of the key at `now` (aware)."""
        if self.revoked_at is not None:
            return "revoked"
        return "usable" if self.expires_at is None or now < self.expires_at else "expired"


def issue_key(
    db: Session,
    *,
    owner_id: int,
    label: str,
    expires_at: datetime | None = None,
    scopes: Iterable[str] | None = None,
) -> tuple[ApiKey, str]:
    """Make a key. Returns its row and the key itself, which cannot be shown again.

    `scopes` are permissions (``app.codename``) that the owner holds. An empty list: the key names
    its owner, and has no permission. None: all permissions of the owner, now and later.

    Raises Invalid if `label` is blank, `expires_at` (aware) is in the past or the owner does not
    hold a scope, and Forbidden if the session's actor may not give such a key
    (`trivet.identity.key_grants`).
    """
    label = label.strip()
    if not label:
        raise Invalid("no-label", "Say what the key is for.", attributes=["label"])
    now = datetime.now(UTC)
    if expires_at is not None and expires_at <= now:
        sentence = "The expiry lies in the past: choose a later one."
        fault: InputError = {"pointer": "/expires_at", "detail": sentence}
        raise Invalid("expired", sentence, errors=[fault])
    prefix = KEY_START + "".join(secrets.choice(_ID_ALPHABET) for _ in range(_ID_CHARACTERS))
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    key = ApiKey(
        prefix=prefix,
        digest=_digest(secret),
        owner_id=owner_id,
        label=label,
        created_at=now,
        expires_at=expires_at,
        scopes=None if scopes is None else sorted(set(scopes)),
    )
    db.add(key)
    db.flush()
    return key, f"{prefix}_{secret}"


def list_keys(db: Session, *, owner_id: int | None = None) -> list[ApiKey]:
    """All keys, or one owner's, newest first."""
    query = select(ApiKey).order_by(ApiKey.id.desc())
    if owner_id is not None:
        query = query.where(ApiKey.owner_id == owner_id)
    return list(db.scalars(query))


def revoke_key(db: Session, prefix: str) -> ApiKey:
    """Revoke the key that begins with `prefix`; a second time changes nothing.

    The commit publishes a `Revocation`. Raises NotFound if there is no such key.
    """
    key = db.scalar(select(ApiKey).where(ApiKey.prefix == prefix))
    if key is None:
        raise NotFound("no-such-key", f"There is no API key that begins with {prefix}.")
    if key.revoked_at is None:
        key.revoked_at = datetime.now(UTC)
    db.flush()
    return key


async def identify_key(session: AsyncSession, credential: str) -> Identity | None:
    """The identity behind a key that a request carries; None if the key is not valid.

    An unknown prefix and a wrong secret take the same path: one query, one digest, one
    comparison.
    """
    match = KEY_PATTERN.fullmatch(credential)
    if match is None:
        return None
    prefix, secret = match.groups()
    row = (
        await session.execute(
            select(ApiKey, users)
            .join(users, users.c.id == ApiKey.owner_id)
            .where(ApiKey.prefix == prefix)
        )
    ).one_or_none()
    expected = _NO_DIGEST if row is None else row.ApiKey.digest
    is_right = hmac.compare_digest(expected, _digest(secret))
    if row is None or not is_right:
        return None
    if not row.is_active or not row.ApiKey.is_usable(datetime.now(UTC)):
        return None
    scopes = row.ApiKey.scopes
    is_whole = scopes is None
    if row.is_superuser:
        held = frozenset(scopes or ())
    else:
        held = await read_permissions(session, row.ApiKey.owner_id)
        held = held if scopes is None else held & frozenset(scopes)
    return Identity(
        user_id=row.ApiKey.owner_id,
        username=row.username,
        kind="key",
        # A key with scopes has only these: it is neither staff nor superuser.
        is_staff=row.is_staff and is_whole,
        is_superuser=row.is_superuser and is_whole,
        permissions=held,
        email=row.email,
        credential_id=prefix,
        expires_at=row.ApiKey.expires_at,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
