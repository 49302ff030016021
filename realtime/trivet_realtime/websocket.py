"""The WebSocket that carries a connection: text frames, and close frames with a code.

On a server of ours (`scope["extensions"]["trivet.frames"]`) frames go to its protocol directly.
On every other one they go by ASGI: one task receives, and another one sends while there is
something to send.
"""

import asyncio
import logging
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from trivet.context import context_of
from trivet_realtime.codes import INAPPROPRIATE_PROTOCOL, SERVER_ERROR, DisconnectCode
from trivet_realtime.connection import Connection, serve, take_message
from trivet_realtime.direct_socket import find_direct_offer, keep_open
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub

logger = logging.getLogger(__name__)

JSON_SUBPROTOCOL = "centrifuge-json"
PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf"


class WebSocketTransport:
    """Carries frames over an accepted WebSocket, by ASGI."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._sending: asyncio.Task[None] | None = None
        self._sent: Frame | None = None
        self._may_read = asyncio.Event()
        self._may_read.set()

    def open(self, connection: Connection) -> None:
        self._connection = connection
        self._reading = asyncio.create_task(self._read(connection))

    @property
    def is_clear(self) -> bool:
        return self._sending is None

    @property
    def direct(self) -> None:
        return None

    @property
    def waiting_bytes(self) -> int:
        return 0 if self._sent is None else len(self._sent)

    def write(self, frame: Frame) -> None:
        self._sent = frame
        self._sending = asyncio.create_task(self._send(frame))

    def pause_reading(self) -> None:
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    async def close(self, code: DisconnectCode, rest: Frame | None) -> None:
        """A client that does not take it in time is left to the server, which ends the
        connection without."""
        self._reading.cancel()
        try:
            async with asyncio.timeout(self._connection.client.bounds.close_seconds):
                if self._sending is not None:
                    await self._sending
                if rest is not None:
                    await self._websocket.send(_text(rest))
                await self._websocket.close(code.code, code.reason)
        except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
            # A RuntimeError is what Starlette says of a WebSocket whose client has left.
            if self._sending is not None:
                self._sending.cancel()

    async def _read(self, connection: Connection) -> None:
        try:
            while True:
                await self._may_read.wait()
                message = await self._websocket.receive()
                if message["type"] == "websocket.disconnect":
                    connection.lose()
                    return
                take_message(connection, message.get("text"))
        except Exception:
            logger.exception("a connection failed")
            connection.client.disconnect(SERVER_ERROR)

    async def _send(self, frame: Frame) -> None:
        try:
            await self._websocket.send(_text(frame))
        except (WebSocketDisconnect, OSError):
            self._connection.lose()
        except Exception:
            logger.exception("a connection failed")
            self._connection.client.disconnect(SERVER_ERROR)
        else:
            self._sending = self._sent = None
            self._connection.client.outgoing.resume()


def _text(frame: Frame) -> Message:
    return {"type": "websocket.send", "text": frame.payload.decode()}


class WebSocketEndpoint:
    """Accepts a WebSocket and serves the client behind it, as the identity that the root
    established for the handshake."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = scope.get("subprotocols", [])
        websocket = WebSocket(scope, receive, send)
        if PROTOBUF_SUBPROTOCOL in offered and JSON_SUBPROTOCOL not in offered:
            # Accepted, because an SDK tries a refused handshake again and again.
            await websocket.accept(PROTOBUF_SUBPROTOCOL)
            with suppress(WebSocketDisconnect, OSError, RuntimeError):
                await websocket.close(INAPPROPRIATE_PROTOCOL.code, INAPPROPRIATE_PROTOCOL.reason)
            return
        # Before the first await: from here on a revocation finds this client.
        context = context_of(scope)
        client = self.hub.admit(context.origin)
        is_kept = False
        try:
            await websocket.accept(JSON_SUBPROTOCOL if JSON_SUBPROTOCOL in offered else None)
            offer = find_direct_offer(scope)
            if offer is None:
                await serve(self.hub, client, WebSocketTransport(websocket))
            else:
                keep_open(self.hub, client, offer, context)
                is_kept = True
        finally:
            if not is_kept:
                self.hub.dismiss(client)
