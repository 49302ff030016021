"""Cursors for keyset pagination: where a page ended, signed.

The signature is there so that a cursor means what we wrote: one that was tampered with,
or that belongs to another list, is an answer of 422 and never a strange page.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Any

import msgspec

from trivet.errors import Invalid
from trivet.platform import Platform

_SIGNATURE_BYTES = 16


def write_cursor(platform: Platform, purpose: str, position: Any) -> str:
    """Write the cursor that continues a list after `position`.

    Args:
        platform: The platform, whose secret key signs the cursor.
        purpose: The name of the list, with all that decides its order. A cursor of another
            purpose is refused.
        position: Any JSON value, mostly the sort key of the last row of the page. It is signed
            and not encrypted: the client can read it.

    Returns:
        The cursor, in characters that a URL takes as they are.
    """
    body = msgspec.json.encode(position)
    return base64.urlsafe_b64encode(_sign(platform, purpose, body) + body).decode().rstrip("=")


def read_cursor(platform: Platform, purpose: str, cursor: str) -> Any:
    """Read the position that `write_cursor` put into `cursor`.

    Args:
        platform: The platform, whose secret key signed the cursor.
        purpose: The same as when the cursor was written.
        cursor: The cursor as the client sent it.

    Returns:
        The position, a JSON value.

    Raises:
        Invalid: `write_cursor` did not write this cursor for this purpose (422).
    """
    if "=" in cursor:  # we write none, and one page has one cursor
        raise _bad()
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _bad() from None
    signature, body = raw[:_SIGNATURE_BYTES], raw[_SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _sign(platform, purpose, body)):
        raise _bad()
    return msgspec.json.decode(body)


def _sign(platform: Platform, purpose: str, body: bytes) -> bytes:
    secret = platform.settings.secret_key.get_secret_value().encode()
    message = f"trivet.cursor:{purpose}:".encode() + body
    return hmac.digest(secret, message, hashlib.sha256)[:_SIGNATURE_BYTES]


def _bad() -> Invalid:
    return Invalid(
        "bad-cursor",
        "This cursor is not one of this list. Use next_cursor of the page before, unchanged, "
        "or start without one.",
        errors=[{"in": "query", "pointer": "/cursor", "detail": "not a cursor of this list"}],
    )
