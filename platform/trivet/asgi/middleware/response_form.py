"""The form of responses: what an application starts, the server can send.

A server finds a header with a line break in it, or a second start, when the response has already
counted as started: it can only drop the connection then, and what was committed for a success has
no answer. So the start is looked at before anything follows from it, the commit included.
"""

import re
from collections.abc import Sequence
from typing import Any

from starlette.types import Message, Send

LEAST_STATUS, MOST_STATUS = 200, 599
"""The statuses of final responses (RFC 9110, 15)."""
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
"""A token (RFC 9110, 5.6.2) in lower case, as ASGI has names of headers."""
_NOT_IN_VALUES = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_LENGTH = b"content-length"
_OPENING = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})
_BODY = frozenset({"http.response.body", "http.response.pathsend"})
_REMEMBERED = 256
"""Combinations of names that are looked at once. An application sends few, again and again."""


class MalformedResponse(RuntimeError):
    """An application's response that no server can send. It is raised to the application."""


class ResponseForm:
    """Refuses starts of responses that could not be sent, with an error to the application that
    says why. Names of headers in capitals become lower case: some frameworks write them so, and a
    server of HTTP/2 must not send them."""

    def __init__(self) -> None:
        self._known: set[tuple[bytes, ...]] = set()

    def checked(self, send: Send) -> Send:
        """`send` for one response, or for the opening of one socket."""
        is_started = False

        async def send_if_well_formed(message: Message) -> None:
            nonlocal is_started
            is_started = self.check(message, is_started=is_started)
            await send(message)

        return send_if_well_formed

    def check(self, message: Message, *, is_started: bool) -> bool:
        """Bring a message into the form that the specification has, or raise MalformedResponse.
        Returns whether the response is started with it."""
        kind = message["type"]
        if kind in _OPENING:
            if is_started:
                raise MalformedResponse("the response was started already")
            self._settle(message)
            return True
        if kind in _BODY and not is_started:
            raise MalformedResponse("a body came before the start of the response")
        return is_started

    def _settle(self, message: Message) -> None:
        status = message.get("status", LEAST_STATUS)
        if not isinstance(status, int) or not LEAST_STATUS <= status <= MOST_STATUS:
            raise MalformedResponse(f"{status!r} is no status of a response")
        headers = message.get("headers", ())
        try:
            if not isinstance(headers, (list, tuple)):  # any iterable, which can be read once
                message["headers"] = headers = list(headers)
            names = tuple([name for name, _ in headers])
            values = b"".join([value for _, value in headers])
            is_known = names in self._known
        except (TypeError, ValueError):
            raise MalformedResponse(_describe(headers)) from None
        if not is_known:
            message["headers"] = headers = _lowered(headers)
            names = tuple([name for name, _ in headers])
            if len(self._known) < _REMEMBERED:
                self._known.add(names)
        if _NOT_IN_VALUES.search(values):
            raise MalformedResponse(_describe(headers))
        lengths = names.count(_LENGTH)
        if lengths and (lengths > 1 or not headers[names.index(_LENGTH)][1].isdigit()):
            _require_one_length(headers)


def _lowered(headers: Sequence[tuple[Any, bytes]]) -> list[tuple[bytes, bytes]]:
    if not all(isinstance(name, bytes) and _NAME.fullmatch(name.lower()) for name, _ in headers):
        raise MalformedResponse(_describe(headers))
    return [(name.lower(), value) for name, value in headers]


def _require_one_length(headers: Sequence[tuple[bytes, bytes]]) -> None:
    lengths = {value for name, value in headers if name == _LENGTH}
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        raise MalformedResponse("its content-length is not one number")


def _describe(headers: Any) -> str:
    """What is wrong with the first bad header. A value is not told: it may be a secret."""
    if not isinstance(headers, (list, tuple)):
        return "its headers are no list of pairs"
    for header in headers:
        if not isinstance(header, (list, tuple)) or len(header) != 2:
            return "one of its headers is no pair of name and value"
        name, value = header
        if not isinstance(name, bytes) or not _NAME.fullmatch(name.lower()):
            return f"{name!r} is no name of a header (ASGI takes bytes)"
        if not isinstance(value, bytes):
            return f"the value of the header {name!r} is {type(value).__name__} and no bytes"
        if _NOT_IN_VALUES.search(value):
            return (
                f"the value of the header {name!r} has a line break, or another control character"
            )
    return "its headers have no form that a server knows"
