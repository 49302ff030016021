"""Server-Sent Events: a GET whose query has the first commands, answered by events.

Browsers send such a GET with cookies wherever a link leads, so it may only connect and subscribe:
a link to a command that changes something would act in the name of whoever follows it.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trivet.asgi.problem import problem_response
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.protocol import MalformedFrame, decode_frame
from trivet_realtime.transports.body import read_text
from trivet_realtime.transports.stream import stream

PARAMETER = "cf_connect"
CONTENT_TYPE = "text/event-stream; charset=utf-8"
_HARMLESS = (["connect"], ["subscribe"])


class EventsEndpoint:
    """``GET …/sse?cf_connect=…``; a POST brings the commands in its body."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def read_first() -> str | None:
            request = Request(scope)
            if request.method == "POST":
                return await read_text(scope, receive, send, self._hub.bounds.message_bytes)
            first = request.query_params.get(PARAMETER, "")
            if not _is_harmless(first):
                await _refusal(scope)(scope, receive, send)
            elif request.method == "HEAD":
                # Of events that go on for ever it would see no end.
                head = Response(media_type=CONTENT_TYPE)
                del head.headers["content-length"]
                await head(scope, receive, send)
            else:
                return first
            return None

        await stream(
            self._hub,
            scope,
            receive,
            send,
            read_first=read_first,
            content_type=CONTENT_TYPE.encode(),
            encode=encode,
            opening=b"\r\n",
        )


def _is_harmless(first: str) -> bool:
    try:
        return all(received.methods in _HARMLESS for received in decode_frame(first))
    except MalformedFrame:
        return False


def _refusal(scope: Scope) -> Response:
    return problem_response(
        scope,
        400,
        "no-connect-command",
        f"The query needs {PARAMETER} with a connect command, as the SDKs send it, and nothing "
        "that changes something.",
    )


def encode(frame: Frame) -> bytes:
    """Each object as an event of its own. JSON has no line break within."""
    return b"data: " + frame.payload.replace(b"\n", b"\n\ndata: ") + b"\n\n"
