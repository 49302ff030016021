"""Emulation: what the client of a stream sends, by requests of their own.

Such a request may arrive at any process. It names the process and the secret session that the
connect command was answered with, and is passed on to there.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trivet.asgi.problem import error_response
from trivet.delivery.controls import ClientFrame
from trivet.errors import Malformed, NotFound
from trivet_realtime.hub import Hub
from trivet_realtime.publishing import CARRIED_BYTES
from trivet_realtime.transports.body import read_text

Secret = Annotated[str, Meta(pattern="^[0-9a-f]{1,64}$")]
"""What a connect command is answered with. Anything else is no name of ours, and a broker that is
asked to carry to it may break: its service has bounds for names."""


class Emulated(Struct):
    """`data` is a frame, as text."""

    session: Secret
    node: Secret
    data: str


class EmulationEndpoint:
    """``POST …/emulation``: 204 if the frame is on its way, and 404 if nobody can be reached."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The frame travels as a JSON string, in which every quote takes two bytes.
        limit = 2 * min(self._hub.bounds.message_bytes, CARRIED_BYTES)
        text = await read_text(scope, receive, send, limit)
        if text is None:
            return
        try:
            emulated = msgspec.json.decode(text, type=Emulated)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            malformed = Malformed(
                "no-emulation", "The body is a JSON object of session, node and data."
            )
            await error_response(scope, malformed)(scope, receive, send)
            return
        await self._pass_on(scope, emulated)(scope, receive, send)

    def _pass_on(self, scope: Scope, emulated: Emulated) -> Response:
        broker = self._hub.platform.broker
        if emulated.node != self._hub.node and broker.state.is_shared:
            frame = ClientFrame(emulated.node, emulated.session, emulated.data)
            broker.publish(frame, node=emulated.node)
        elif emulated.node != self._hub.node or not take_frame(
            self._hub, emulated.session, emulated.data
        ):
            gone = NotFound("no-such-session", "This connection is over. Connect again.")
            return error_response(scope, gone)
        return Response(status_code=204)


def take_frame(hub: Hub, session: str, data: str) -> bool:
    """Give a frame to the client that it is from; False if it is not here."""
    take = hub.streams.get(session)
    if take is None:
        return False
    take(data)
    return True
