"""A mounted application of no framework, whose answers have no form that could be sent."""

from collections.abc import Mapping
from typing import Any

from starlette.types import Receive, Scope, Send

START, BODY = "http.response.start", "http.response.body"
PLAIN = [(b"content-type", b"text/plain")]


def start(headers: Any = PLAIN, status: Any = 200) -> Any:
    return {"type": START, "status": status, "headers": headers}


def body(content: bytes = b"sent", *, more: bool = False) -> Any:
    return {"type": BODY, "body": content, "more_body": more}


REFUSED: Mapping[str, tuple[Any, ...]] = {
    "line-break": (start([(b"x-bare", b"a\r\nset-cookie: b")]), body()),
    "text": (start([(b"x-bare", "text")]), body()),
    "name-of-text": (start([("x-bare", b"a")]), body()),
    "name": (start([(b"x bare", b"a")]), body()),
    "no-pair": (start([b"x-bare: a"]), body()),
    "status": (start(status=99), body()),
    "status-of-text": (start(status="200"), body()),
    "length": (start([(b"content-length", b"four")]), body()),
    "length-in-capitals": (start([(b"Content-Length", b"four")]), body()),
    "lengths": (start([(b"content-length", b"4"), (b"Content-Length", b"5")]), body()),
    "body-first": (body(), start()),
    "nothing": (),
}
"""Nothing of these is sent."""

BROKEN: Mapping[str, tuple[Any, ...]] = {
    "too-long": (start([(b"content-length", b"2")]), body()),
    "too-short": (start([(b"content-length", b"9")]), body()),
    "twice": (start(), start(), body()),
    "no-end": (start(), body(more=True)),
}
"""Of these the beginning is sent."""

KEPT: Mapping[str, tuple[Any, ...]] = {
    "capitals": (start([(b"Content-Length", b"4"), (b"X-Bare", b"a")]), body()),
    "again": (start(), body(), start(), body()),
}
"""These are sent."""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Sends what the last part of the path names."""
    if scope["type"] != "http":
        raise NotImplementedError
    name = scope["path"].rpartition("/")[2]
    for message in {**REFUSED, **BROKEN, **KEPT}[name]:
        await send({**message})
