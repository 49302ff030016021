"""What every peer has to know of a key and of its own environment."""

import hashlib
import hmac
import os
from datetime import UTC, datetime

POOL = 10
"""Connections that each of the peers may hold, and the threads of those that work in threads."""

PREFIX_CHARACTERS = 16


def database_url(driver: str = "") -> str:
    """The database's address, for SQLAlchemy with its `driver`."""
    url = os.environ["BENCHMARK_DATABASE_URL"]
    return url.replace("postgresql://", f"postgresql+{driver}://") if driver else url


def split_bearer(header: str) -> tuple[str, str]:
    """The key's public beginning and its secret's hash; empty texts for anything else."""
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer" or not token.startswith("tvt_") or len(token) <= PREFIX_CHARACTERS:
        return "", ""
    # By length, because a secret is URL-safe base64 and may hold the separator itself.
    secret = token[PREFIX_CHARACTERS + 1 :]
    return token[:PREFIX_CHARACTERS], hashlib.sha256(secret.encode()).hexdigest()


def is_good(
    digest: str,
    stored: str,
    *,
    is_active: bool,
    expires_at: datetime | None,
    revoked_at: datetime | None,
) -> bool:
    """Whether a key that was found opens anything."""
    if not hmac.compare_digest(digest, stored) or not is_active or revoked_at is not None:
        return False
    return expires_at is None or datetime.now(UTC) < expires_at
