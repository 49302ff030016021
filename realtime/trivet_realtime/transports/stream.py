"""A connection carried by one response of HTTP that goes on, as lines or as Server-Sent Events.

The client's first commands come with the request, later ones by requests of their own
(`emulation`). The response carries what a WebSocket would: one JSON object a line. Its end has no
code as a close frame has, so a push says why before it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from trivet.context import context_of
from trivet_realtime.codes import SERVER_ERROR, TOO_MANY_COMMANDS, DisconnectCode
from trivet_realtime.connection import Connection, serve
from trivet_realtime.frames import Frame, join
from trivet_realtime.hub import Hub
from trivet_realtime.protocol import encode_disconnect

logger = logging.getLogger(__name__)

Encode = Callable[[Frame], bytes]

HEADERS = [
    (b"cache-control", b"private, no-cache, no-store, no-transform"),
    # A proxy that gathers a response before it passes it on would gather for ever.
    (b"x-accel-buffering", b"no"),
]


class StreamTransport:
    """Carries frames by the body of a response that has begun; `encode` makes bytes of them."""

    def __init__(self, hub: Hub, receive: Receive, send: Send, encode: Encode, first: str) -> None:
        self._hub = hub
        self._receive = receive
        self._send = send
        self._encode = encode
        self._first = first
        self._connection: Connection | None = None
        self._watching: asyncio.Task[None] | None = None
        self._sending: asyncio.Task[None] | None = None
        self._sent: Frame | None = None
        self._is_full = False

    def open(self, connection: Connection) -> None:
        self._connection = connection
        self._hub.streams[connection.client.session] = self._take
        self._watching = asyncio.create_task(self._watch(connection))
        connection.take(self._first)

    @property
    def is_clear(self) -> bool:
        return self._sending is None

    @property
    def direct(self) -> None:
        """A stream carries no messages of a WebSocket."""
        return

    @property
    def waiting_bytes(self) -> int:
        return 0 if self._sent is None else len(self._sent)

    def write(self, frame: Frame) -> None:
        self._sent = frame
        assert self._connection is not None
        self._sending = asyncio.create_task(self._write(frame, self._connection))

    def pause_reading(self) -> None:
        """Commands come by requests of their own, which nobody can hold up: one more is too
        many."""
        self._is_full = True

    def resume_reading(self) -> None:
        self._is_full = False

    async def close(self, code: DisconnectCode, rest: Frame | None) -> None:
        """A client that does not take it in time is left to the server."""
        end = Frame(encode_disconnect(code))
        try:
            async with asyncio.timeout(self._hub.bounds.close_seconds):
                if self._sending is not None:
                    await self._sending
                await self._put(end if rest is None else join([rest, end]))
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except (TimeoutError, OSError):
            if self._sending is not None:
                self._sending.cancel()

    def release(self) -> None:
        """The connection is over."""
        if self._connection is not None:
            self._hub.streams.pop(self._connection.client.session, None)
        if self._watching is not None:
            self._watching.cancel()

    def _take(self, text: str) -> None:
        assert self._connection is not None
        if self._is_full:
            self._connection.client.disconnect(TOO_MANY_COMMANDS)
        else:
            self._connection.take(text)

    async def _watch(self, connection: Connection) -> None:
        """Wait until the client leaves."""
        message = await self._receive()
        while message["type"] != "http.disconnect":
            message = await self._receive()
        connection.lose()

    async def _put(self, frame: Frame) -> None:
        body = self._encode(frame)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _write(self, frame: Frame, connection: Connection) -> None:
        try:
            await self._put(frame)
        except (ClientDisconnect, OSError):
            connection.lose()
        except Exception:
            logger.exception("a connection failed")
            connection.client.disconnect(SERVER_ERROR)
        else:
            self._sending = self._sent = None
            connection.client.outgoing.resume()


async def stream(
    hub: Hub,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    read_first: Callable[[], Awaitable[str | None]],
    content_type: bytes,
    encode: Encode,
    opening: bytes = b"",
) -> None:
    """Serve a client by one response, beginning with the frame that it sent first. `read_first`
    returns None if it has answered the request instead."""
    # Before the first await: from here on a revocation finds this client. Its body may take long.
    client = hub.admit(context_of(scope).origin)
    transport: StreamTransport | None = None
    try:
        first = await read_first()
        if first is None:
            return
        transport = StreamTransport(hub, receive, send, encode, first)
        headers = [(b"content-type", content_type), *HEADERS]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if opening:
            await send({"type": "http.response.body", "body": opening, "more_body": True})
        await serve(hub, client, transport)
    finally:
        if transport is not None:
            transport.release()
        hub.dismiss(client)
