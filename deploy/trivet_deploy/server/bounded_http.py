"""HTTP/1.1 with bounds on the head of a request, which neither uvicorn nor httptools has.

uvicorn waits without limit for the rest of a request's head, and keeps all of it at any length.
A client that sends a byte a minute, or headers without end, then holds a connection and memory. A
proxy in front would bound both; this holds without one. The root's limits bound a body as long as
the application reads it. The rest of a body that was answered before its end is bounded here.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
"""Request line and headers together; browsers and proxies stay below 16 KB."""

HEAD_SECONDS = 10.0
"""From the opening of the connection, or the first byte of a further request, to the blank line."""

REST_SECONDS = 30.0
"""From an answer to the end of the body that nobody reads any more."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head is too slow (408) or too large (431), and one whose
    body goes on for long after it was answered."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS
    rest_seconds = REST_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_begun = True
        self._head_received = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_is_complete = True
        self._rest_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the parent
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_complete()
        self._end_rest()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._head_begun:
            return
        # Most heads come in one piece, and never get here.
        if self._head_timer is None:
            self._await_head()
        self._head_received += len(data)
        if self._head_received > self.head_bytes:
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_begun = True

    def on_headers_complete(self) -> None:
        self._head_is_complete()
        self._body_is_complete = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._body_is_complete = True
        self._end_rest()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._body_is_complete and not self.transport.is_closing():
            self._rest_timer = self.loop.call_later(self.rest_seconds, self.transport.close)

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
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self._head_is_complete()
        if not self.transport.is_closing():
            answer = b"HTTP/1.1 %s\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status
            self.transport.write(answer)
            self.transport.close()
