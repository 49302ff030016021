"""The WebSocket that carries a connection: text frames, and close frames with a code."""

from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from trivet.asgi.problem import refuse
from trivet.context import context_of
from trivet.errors import Invalid
from trivet_realtime.codes import (
    CONNECTION_CLOSED,
    MALFORMED,
    MESSAGE_TOO_BIG,
    DisconnectCode,
    Disconnected,
)
from trivet_realtime.connection import serve
from trivet_realtime.hub import Hub

JSON_SUBPROTOCOL = "centrifuge-json"
PROTOBUF_SUBPROTOCOL = "centrifuge-protobuf"

_REFUSAL = Invalid(
    "no-protobuf", "This server speaks the Centrifuge protocol in JSON. Connect without protobuf."
)


class WebSocketTransport:
    """Carries frames over an accepted WebSocket; a message has at most `limit` bytes."""

    def __init__(self, websocket: WebSocket, limit: int) -> None:
        self._websocket = websocket
        self._limit = limit

    async def receive(self) -> str:
        message = await self._websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise Disconnected(CONNECTION_CLOSED)
        text: str | None = message.get("text")
        if text is None:
            raise Disconnected(MALFORMED)
        if _size(text, self._limit) > self._limit:
            raise Disconnected(MESSAGE_TOO_BIG)
        return text

    async def send(self, frame: bytes) -> None:
        await self._send({"type": "websocket.send", "text": frame.decode()})

    async def close(self, code: DisconnectCode) -> None:
        await self._send({"type": "websocket.close", "code": code.code, "reason": code.reason})

    async def _send(self, message: Message) -> None:
        try:
            await self._websocket.send(message)
        except (WebSocketDisconnect, OSError) as error:
            raise Disconnected(CONNECTION_CLOSED) from error


def _size(text: str, limit: int) -> int:
    """The bytes of `text`, counted no further than needed to tell whether they exceed `limit`."""
    if len(text) > limit or text.isascii():
        return len(text)
    return len(text.encode())


class WebSocketEndpoint:
    """Accepts a WebSocket and serves the client behind it, as the identity that the root
    established for the handshake."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = scope.get("subprotocols", [])
        if PROTOBUF_SUBPROTOCOL in offered:
            await refuse(scope, receive, send, _REFUSAL)
            return
        websocket = WebSocket(scope, receive, send)
        # Before the first await: from here on a revocation finds this client.
        client = self.hub.admit(context_of(scope).origin)
        try:
            await websocket.accept(JSON_SUBPROTOCOL if JSON_SUBPROTOCOL in offered else None)
            transport = WebSocketTransport(websocket, self.hub.bounds.message_bytes)
            await serve(self.hub, client, transport)
        finally:
            self.hub.dismiss(client)
