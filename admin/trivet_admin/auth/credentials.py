"""A session's key, and the name by which it may be logged and revoked."""

import hashlib

_DIGITS = 16
"""64 bits: ample to tell sessions apart, useless to guess one."""


_START = "session_"


def is_session(credential: str | None) -> bool:
    """Whether a credential's name is that of a session."""
    return credential is not None and credential.startswith(_START)


def credential_id(session_key: str) -> str:
    """The name of a session, which cannot be used as its key."""
    return _START + hashlib.sha256(session_key.encode()).hexdigest()[:_DIGITS]
