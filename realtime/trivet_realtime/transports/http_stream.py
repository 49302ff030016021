"""HTTP streaming: a POST with the first commands, answered by lines of JSON as long as it lasts."""

from starlette.types import Receive, Scope, Send

from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.transports.body import read_text
from trivet_realtime.transports.stream import stream


class HttpStreamEndpoint:
    """``POST …/http_stream``."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limit = self._hub.bounds.message_bytes
        await stream(
            self._hub,
            scope,
            receive,
            send,
            read_first=lambda: read_text(scope, receive, send, limit),
            content_type=b"application/json",
            encode=encode,
        )


def encode(frame: Frame) -> bytes:
    """Each object on a line of its own."""
    return frame.payload + b"\n"
