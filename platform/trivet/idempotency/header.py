"""The header ``Idempotency-Key`` (draft-ietf-httpapi-idempotency-key-header-07, section 2.1).

The draft writes the key as a string of Structured Fields, in quotes. Most clients send it bare, as
Stripe's document shows it. Both are read, and ``"a"`` and ``a`` are the same key.
"""

import re
from collections.abc import Iterable

from trivet.errors import Malformed

HEADER = b"idempotency-key"
LONGEST = 255
"""In characters; twice what a digest of SHA-512 needs."""

_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
"""Visible ASCII without the four characters by which lines are joined and strings are written."""
_ESCAPED = re.compile(r'\\(["\\])')


def has_key(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request names a key at all, well or badly."""
    for name, _ in headers:  # noqa: SIM110  # asked for each request: a generator costs more
        if name == HEADER:
            return True
    return False


def read_key(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The key that a request names.

    Raises Malformed, with the place, for whatever is no key, and for more than one line.
    """
    lines = [value for name, value in headers if name == HEADER]
    if len(lines) != 1:
        raise malformed("it stands here twice or more; one request has one key")
    text = lines[0].decode("latin-1").strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    if quoted is None and text and not _BARE.fullmatch(text):
        raise malformed(
            "write it in visible characters of ASCII, without comma, semicolon and backslash; a "
            "key in quotes may have them"
        )
    key = text if quoted is None else _ESCAPED.sub(r"\1", quoted[1])
    if not key:
        raise malformed("it is empty; a UUID makes a good key")
    if len(key) > LONGEST:
        raise malformed(f"it has {len(key):,} characters, and at most {LONGEST} are kept")
    return key


def malformed(detail: str, code: str = "bad-idempotency-key") -> Malformed:
    """The refusal of a request for its key."""
    return Malformed(
        code,
        f"The Idempotency-Key cannot be taken: {detail}.",
        errors=[{"in": "header", "pointer": "/idempotency-key", "detail": detail}],
    )
