"""Requests that ask for another protocol (RFC 9110, 7.8), which a server is free not to speak.

httptools takes whoever asks at his word: it reads no body, and stops behind the head. uvicorn then
answers a request without its body, and reads that body as the next request, whatever its sender
wrote there. Java's HttpClient asks for h2c with the first request of every connection, a POST
included, and a proxy that passes ``Upgrade`` on asks for whatever its clients ask for.

Here the handshake of a WebSocket is the only upgrade. Behind every other head a new parser goes on,
which is told how long the body is.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import httptools

Headers = Sequence[tuple[bytes, bytes]]
"""Names in small letters."""


def asks_for_websocket(headers: Headers) -> bool:
    """Whether a head asks for a WebSocket, and for nothing beside it. Both fields are lists, which
    may come in several lines (RFC 9110, 5.3)."""
    return b"upgrade" in _list(headers, b"connection") and [*_list(headers, b"upgrade")] == [
        b"websocket"
    ]


def _list(headers: Headers, wanted: bytes) -> Iterator[bytes]:
    for name, value in headers:
        if name == wanted:
            yield from (token.strip().lower() for token in value.split(b","))


def framing_of(headers: Headers) -> Headers:
    """The fields that say how long the body is; empty if there is none."""
    return [
        (name, value)
        for name, value in headers
        if name == b"transfer-encoding" or (name == b"content-length" and int(value))
    ]


def parser_behind_head(protocol: Any, framing: Headers) -> httptools.HttpRequestParser:
    """A parser that calls `protocol`, and reads a body of this framing first. Raises
    HttpParserError for a framing that cannot be."""
    parser = httptools.HttpRequestParser(_BehindHead(protocol))
    lines = [b"POST / HTTP/1.1", *(b"%s: %s" % field for field in framing), b"", b""]
    parser.feed_data(b"\r\n".join(lines))
    return parser


class _BehindHead:
    """Passes the calls of a parser on, but for those of its first head: `protocol` knows that one,
    as it really was."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._is_known = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self._is_known:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_known:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_known:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_known:
            self._is_known = False
        else:
            self._protocol.on_headers_complete()
