"""HTTP/1.1 with bounds on the head of a request, which neither uvicorn nor httptools has.

uvicorn waits without limit for the rest of a request's head, and keeps all of it at any length.
A client that sends a byte a minute, or headers without end, then holds a connection and memory. A
proxy in front would bound both; this holds without one. The root's limits bound a body as long as
the application reads it. The rest of a body that was answered before its end is bounded here.

Faults of uvicorn end here too. The fields of a trailer stay apart from the headers. A request that
asks for a protocol which nobody speaks here keeps its body (`trivet_deploy.server.upgrades`).
What uvicorn refuses by itself (a head that is none) it writes at once, even into the answer to the
request before; here that answer comes first. And an answer without a length goes to an HTTP/1.0
client as it is, ended by the close of the connection, because such a client knows no chunks (RFC
9112, 6.3 and 7.1).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from trivet_deploy.server.joined_writes import JoinedWrites
from trivet_deploy.server.upgrades import asks_for_websocket, framing_of, parser_behind_head

HEAD_BYTES = 64 * 1024
"""Request line and headers together; browsers and proxies stay below 16 KB."""

HEAD_SECONDS = 10.0
"""From the opening of the connection, or the first byte of a further request, to the blank line."""

REST_SECONDS = 30.0
"""From an answer to the end of the body that nobody reads any more."""

_PUNCTUATION = len(b": \r\n")

_BAD = b"400 Bad Request"
_LATE = b"408 Request Timeout"
_LONG = b"431 Request Header Fields Too Large"
_LATER_VERSION = b"505 HTTP Version Not Supported"


class HeadTooLong(Exception):
    """Raised through the parser, which stops at once."""


class TwoHosts(Exception):
    """Raised likewise."""


class LaterVersion(Exception):
    """Raised likewise. The parser takes HTTP/2.0 in a first line."""


class BadHandshake(Exception):
    """Raised likewise, for a WebSocket's that has a body, or does not wait for the answer to the
    request before it."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is too slow (408) or too large (431), and one whose
    body goes on for long after it was answered."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS
    rest_seconds = REST_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_begun = True
        self._head_number = 0
        self._head_parsed = 0
        self._head_received = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_refused = False
        self._is_of_later_version = False
        self._body_is_complete = True
        self._body_parser: httptools.HttpRequestParser | None = None
        self._rest_timer: asyncio.TimerHandle | None = None

    @property
    def is_reading_head(self) -> bool:
        """Whether a request has begun to arrive, and its head is not complete."""
        return self._head_begun and self._head_number > 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent
        super().connection_made(transport)
        self._writes = JoinedWrites(transport, self.loop)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        self._end_rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        head = self._head_number
        self._unset_keepalive_if_required()
        self._parse(data)
        # Most heads come in one piece, and get no further.
        if not self._head_begun or self._is_refused:
            return
        if self._head_timer is None:
            self._await_head()
        # The piece in which a further head begins may hold a body before it. Of that piece only
        # what the parser has made of the head counts. Nothing stands before the first head.
        if self._head_number in (head, 1):
            self._head_received += len(data)
        if max(self._head_received, self._head_parsed) > self.head_bytes:
            self._refuse(_LONG)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)
        except httptools.HttpParserUpgrade as stop:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
            parser, self._body_parser = self._body_parser, None
            self.parser = httptools.HttpRequestParser(self) if parser is None else parser
            if rest := data[stop.args[0] :]:
                self._parse(rest)

    def _should_upgrade(self) -> bool:
        # HTTP/1.0 has no upgrades (RFC 9110, 7.8).
        return self.scope["http_version"] != "1.0" and asks_for_websocket(self.headers)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begun = True
        self._head_number += 1
        self._head_parsed = 0

    def on_url(self, url: bytes) -> None:
        self._head_parsed += len(url)
        if self._head_parsed > self.head_bytes:
            raise HeadTooLong
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        # Not by a call, because a request has many of these.
        self._head_parsed += len(name) + len(value) + _PUNCTUATION
        if self._head_parsed > self.head_bytes:
            raise HeadTooLong
        # uvicorn would add the fields of a trailer to the headers of its request, past every proxy
        # that checks or sets those: a Host, a cookie, a client's address (RFC 9110, 6.5.1).
        if self._head_begun:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._require_version()
        self._require_one_host()
        if self.parser.should_upgrade():
            self._look_at_upgrade()
        self._head_is_complete()
        self._body_is_complete = False
        super().on_headers_complete()
        # By instance, because uvicorn makes its cycles by a name that nobody can replace.
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's types leave the None out
        if cycle is None:
            return
        cycle.transport = self._writes  # type: ignore[assignment]  # all of it that a cycle uses
        if self.scope.get("http_version") == "1.0":
            self.cycle.send = _without_chunks(self.cycle)  # type: ignore[method-assign,assignment]  # as above

    def _look_at_upgrade(self) -> None:
        version: str = self.parser.get_http_version()
        self.scope["http_version"] = version
        framing = framing_of(self.headers)
        if not self._should_upgrade():
            # Now, because a framing that cannot be is refused before the request is served.
            self._body_parser = parser_behind_head(self, framing) if framing else None
            return
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's types leave the None out
        if framing or (cycle is not None and not cycle.response_complete):
            raise BadHandshake

    def on_message_complete(self) -> None:
        if self._body_parser is not None:
            return  # Only this parser is at its end. The other one reads the body.
        self._body_is_complete = True
        self._end_rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        self._writes.flush()
        super().on_response_complete()
        if not self._body_is_complete and not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(self.rest_seconds, self.transport.close)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the parent's signature
        """As the parent, in its turn, and with the status that the parser's end has here."""
        if self._is_of_later_version:
            self._refuse(_LATER_VERSION)
        else:
            self._refuse(_LONG if self._head_parsed > self.head_bytes else _BAD)

    def _require_version(self) -> None:
        self._is_of_later_version = self.parser.get_http_version().startswith("2")
        if self._is_of_later_version:
            raise LaterVersion

    def _require_one_host(self) -> None:
        """A whole address as the target names the same host as the header (RFC 9112, 3.2.2). A
        proxy may go by the one, and the application by the other."""
        if self.url.startswith(b"/") or b"://" not in self.url:
            return
        authority = self.url.partition(b"://")[2].partition(b"/")[0].partition(b"?")[0]
        named = [value for name, value in self.headers if name == b"host"]
        if [_without_port(each) for each in named] != [_without_port(authority)]:
            raise TwoHosts

    def _end_rest(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _await_head(self) -> None:
        self._head_received = 0
        self._head_timer = self.loop.call_later(self.head_seconds, self._head_is_late)

    def _head_is_complete(self) -> None:
        self._head_begun = False
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._refuse(_LATE)

    def _refuse(self, status: bytes) -> None:
        """Refuse what is no request. An answer that is under way goes first, whole, and ends the
        connection: written now, the refusal would stand in the midst of it."""
        self._head_is_complete()
        self._is_refused = True
        if self.transport.is_closing():
            return
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's types leave the None out
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:
                cycle.keep_alive = False
                return
            # What broke is the body of this very request: nobody will ever read it whole.
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
        answer = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status
        self.transport.write(answer)
        self.transport.close()


def _without_port(host: bytes) -> bytes:
    """A host without the port that its scheme has anyhow."""
    return host.lower().removesuffix(b":80").removesuffix(b":443")


def _without_chunks(cycle: RequestResponseCycle) -> Callable[[Any], Coroutine[Any, Any, None]]:
    """`cycle.send` for an HTTP/1.0 client: what has no length ends with the connection."""
    send = cycle.send
    is_endless = False

    async def send_plainly(message: Any) -> None:
        nonlocal is_endless
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message.get("headers", ())}
            is_endless = b"content-length" not in names
            if is_endless:
                cycle.chunked_encoding = False
        elif is_endless:
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    return send_plainly
