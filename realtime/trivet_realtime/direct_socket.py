"""A WebSocket whose server takes prepared messages: no task, no queue and no copy in between.

Trivet's server offers itself as ``scope["extensions"]["trivet.frames"]``
(`trivet_deploy.server.frames_protocol`). The two protocols here are all that the room and the
server know of each other.
"""

from collections.abc import Callable
from typing import Protocol

from starlette.types import Scope

from trivet_realtime.codes import DisconnectCode
from trivet_realtime.connection import Connection, take_message
from trivet_realtime.frames import Frame

EXTENSION = "trivet.frames"


class DirectReceiver(Protocol):
    """What the server calls, on the event loop; nothing of it blocks or fails."""

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read from the client now."""
        ...

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


class DirectSocket(Protocol):
    """What the server offers, after the WebSocket was accepted."""

    @property
    def is_clear(self) -> bool:
        """Whether the client takes what is written."""
        ...

    @property
    def write(self) -> Callable[[bytes], object]:
        """Writes one whole message, header included. It never blocks and never fails."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """The bytes that were written and not yet taken by the network."""
        ...

    def attach(self, receiver: DirectReceiver) -> None:
        """Call `receiver` from now on, beginning with what has arrived already."""
        ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def end(self, code: int, reason: str, last: bytes) -> None:
        """Write `last` and a close frame, behind all that waits. A peer that has not taken them
        within seconds is cut off."""
        ...


def find_direct_socket(scope: Scope) -> DirectSocket | None:
    """The server's own socket, if it offers one."""
    socket: DirectSocket | None = scope.get("extensions", {}).get(EXTENSION)
    return socket


class DirectTransport:
    """Carries frames over a `DirectSocket`."""

    __slots__ = ("_connection", "_is_reading_paused", "_socket")

    def __init__(self, socket: DirectSocket) -> None:
        self._socket = socket
        self._is_reading_paused = False

    # for the connection

    def open(self, connection: Connection) -> None:
        self._connection = connection
        self._socket.attach(self)

    @property
    def is_clear(self) -> bool:
        return self._socket.is_clear

    @property
    def direct(self) -> Callable[[bytes], object]:
        return self._socket.write

    @property
    def waiting_bytes(self) -> int:
        return self._socket.waiting_bytes

    def write(self, frame: Frame) -> None:
        self._socket.write(frame.message)

    def pause_reading(self) -> None:
        self._is_reading_paused = True
        self._socket.pause_reading()

    def resume_reading(self) -> None:
        self._is_reading_paused = False
        self._socket.resume_reading()

    async def close(self, code: DisconnectCode, rest: Frame | None) -> None:
        self._socket.end(code.code, code.reason, b"" if rest is None else rest.message)

    # for the server

    @property
    def is_full(self) -> bool:
        return self._is_reading_paused

    def take(self, text: str | None) -> None:
        take_message(self._connection, text)

    def lose(self) -> None:
        self._connection.lose()

    def pause_writing(self) -> None:
        self._connection.client.outgoing.pause()

    def resume_writing(self) -> None:
        self._connection.client.outgoing.resume()

    def shut_down(self) -> None:
        self._connection.hub.begin_draining()
