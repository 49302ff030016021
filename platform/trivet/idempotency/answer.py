"""A kept answer: what was said to the first request, for every later one with its key."""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from trivet.data.replicas.position import WalPosition

REPLAYED = (b"idempotent-replayed", b"true")
"""The header by which an answer says that it is a repetition; Stripe's name for it."""

_NOT_KEPT = frozenset({b"set-cookie", b"date", b"connection", b"transfer-encoding"})
"""A cookie is a secret, and the others belong to one answer of one connection."""


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer with the request to which it was given.

    Attributes:
        status: The status.
        headers: The application's headers as a JSON list of names and values. Those that the
            middleware adds (the request id, the security headers) are made anew for each answer.
        body: The body, whole.
        fingerprint: The digest of the request.
        authority: The digest of what its caller was allowed to do.
        written: Where in the log the change was committed, if its process knows: whoever is given
            the answer reads what it says, from replicas too.
    """

    status: int
    headers: str
    body: bytes
    fingerprint: str = ""
    authority: str = ""
    written: WalPosition | None = None

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI has them, with `REPLAYED`."""
        pairs = msgspec.json.decode(self.headers, type=list[tuple[str, str]])
        return [*((n.encode("latin-1"), v.encode("latin-1")) for n, v in pairs), REPLAYED]


def headers_text(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """`headers` as the text that is kept."""
    kept = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in headers
        if name.lower() not in _NOT_KEPT
    ]
    return msgspec.json.encode(kept).decode()
