"""A WebSocket whose server takes prepared messages: no task, no queue and no copy in between.

Trivet's server offers itself as ``scope["extensions"]["trivet.frames"]``
(`trivet_deploy.server.frames_protocol`). The two protocols here are all that the room and the
server know of each other.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope

from trivet.context import Lasting, RequestContext
from trivet_realtime.client import Client
from trivet_realtime.codes import CONNECTION_CLOSED
from trivet_realtime.connection import Connection, take_message
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub

logger = logging.getLogger(__name__)

EXTENSION = "trivet.frames"


class DirectReceiver(Protocol):
    """What the server calls, on the event loop; nothing of it blocks or fails."""

    def take(self, text: str | None) -> None:
        """A message has arrived; None stands for a binary one."""
        ...

    def lose(self) -> None:
        """The client left, or broke the rules of WebSockets."""
        ...

    def pause_writing(self) -> None:
        """More is written than the client takes: write nothing until `resume_writing`."""
        ...

    def resume_writing(self) -> None:
        """The client has taken what was written, but for a little."""
        ...

    def shut_down(self) -> None:
        """The server stops. It waits for this socket, for a bounded time."""
        ...


class DirectOffer(Protocol):
    """What the server offers, after the WebSocket was accepted."""

    def attach(self, make_receiver: Callable[["DirectSocket"], DirectReceiver]) -> "DirectSocket":
        """Make a receiver and call it from now on, beginning with what has arrived already. The
        socket stays open when the ASGI call returns, and is closed if the call fails."""
        ...


class DirectSocket(Protocol):
    """An open WebSocket."""

    @property
    def is_clear(self) -> bool:
        """Whether the client takes what is written."""
        ...

    @property
    def write(self) -> Callable[[bytes], object]:
        """Writes one whole message, header included. It never blocks and never fails."""
        ...

    @property
    def descriptor(self) -> int:
        """To which messages may be sent past `write`, as long as the socket is clear; what it does
        not take is then to be written. -1 if all have to be written."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """The bytes that were written and not yet taken by the network."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def end(self, code: int, reason: str, last: bytes) -> None:
        """Write `last` and a close frame, behind all that waits. A peer that has not taken them
        within seconds is cut off."""
        ...


def find_direct_offer(scope: Scope) -> DirectOffer | None:
    """The server's own socket, if it offers one."""
    offer: DirectOffer | None = scope.get("extensions", {}).get(EXTENSION)
    return offer


def keep_open(hub: Hub, client: Client, offer: DirectOffer, context: RequestContext) -> None:
    """Serve `client`, who was admitted, as long as its socket is open, and dismiss it. This returns
    at once, and so may the request of `context`."""
    lasting = Lasting()

    def make_transport(socket: DirectSocket) -> DirectTransport:
        transport = DirectTransport(socket, lasting)
        transport.open(hub, client)
        return transport

    offer.attach(make_transport)
    context.lasting = lasting


class DirectTransport:
    """Carries frames over a `DirectSocket`, for a connection that needs no task."""

    __slots__ = ("_connection", "_lasting", "_socket")

    def __init__(self, socket: DirectSocket, lasting: Lasting) -> None:
        self._socket = socket
        self._lasting = lasting

    def open(self, hub: Hub, client: Client) -> None:
        """Be the transport of `client`, until something ends its connection."""
        self._connection = Connection(hub, client, self)
        client.call_at_end(self._finish_soon)
        client.outgoing.attach(self)

    def _finish_soon(self) -> None:
        # Not at once: what ends a connection may be in the midst of all subscribers.
        loop = asyncio.get_running_loop()
        loop.call_soon(self._finish, context=self._connection.context)

    def _finish(self) -> None:
        connection = self._connection
        client, code = connection.client, connection.client.ending
        assert code is not None
        try:
            rest = connection.finish()
            if code is not CONNECTION_CLOSED:
                self._socket.end(code.code, code.reason, b"" if rest is None else rest.message)
        except Exception:
            logger.exception("a connection failed")
        finally:
            connection.hub.dismiss(client)
            self._lasting.end()

    # for the connection

    @property
    def is_clear(self) -> bool:
        return self._socket.is_clear

    @property
    def direct(self) -> DirectSocket:
        return self._socket

    @property
    def waiting_bytes(self) -> int:
        return self._socket.waiting_bytes

    def write(self, frame: Frame) -> None:
        self._socket.write(frame.message)

    def pause_reading(self) -> None:
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._socket.resume_reading()

    # for the server

    def take(self, text: str | None) -> None:
        try:
            take_message(self._connection, text)
        except Exception:  # noqa: BLE001  # it is logged there, with the request's id
            self._connection.fail()

    def lose(self) -> None:
        self._connection.lose()

    def pause_writing(self) -> None:
        self._connection.client.outgoing.pause()

    def resume_writing(self) -> None:
        self._connection.client.outgoing.resume()

    def shut_down(self) -> None:
        hub = self._connection.hub
        hub.platform.lifecycle.drain()
        hub.begin_draining()
