"""One connection, whatever carries it: what is received, in order, and how it ends.

A connection that is idle has no task of its own. What the client sends is given to `take` as it
arrives: pongs count at once, commands wait in a bounded inbox, and a task works them off in order
and ends with the last one. What is sent goes to the transport directly (`Outgoing`). Clocks are
entries of the hub's wheel (`Pulse`). The hub, a clock, the client or a fault may end the
connection; then what still waits is written, and the client is told why.

A command that is at work when its client leaves is not cancelled: a statement that is cancelled
costs the pool its connection. It comes to its end, and its result goes nowhere.
"""

import logging
from collections import deque
from contextvars import Context, copy_context
from typing import Protocol

from trivet_realtime.client import Client
from trivet_realtime.codes import (
    CONNECTION_CLOSED,
    MALFORMED,
    MESSAGE_TOO_BIG,
    SERVER_ERROR,
    SLOW,
    DisconnectCode,
)
from trivet_realtime.commands.dispatch import handle_next
from trivet_realtime.commands.session import Session
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.outgoing import Carrier
from trivet_realtime.protocol import MalformedFrame, Received, decode_frame
from trivet_realtime.pulse import Pulse

logger = logging.getLogger(__name__)

INBOX_COMMANDS = 1024
"""Commands that wait; with more, no more is read from the client until some are done."""


class Transport(Carrier, Protocol):
    """The carrier of frames to and from one client."""

    def pause_reading(self) -> None:
        """Read nothing more of the client until `resume_reading`, as far as that is possible."""
        ...

    def resume_reading(self) -> None:
        """Read on."""
        ...


class TaskTransport(Transport, Protocol):
    """A carrier that is served by a task."""

    def open(self, connection: "Connection") -> None:
        """Give what the client sends to `connection`, and take what is sent to it."""
        ...

    async def close(self, code: DisconnectCode, rest: Frame | None) -> None:
        """Write `rest`, end the connection, and tell the client why. It takes a bounded time."""
        ...


class Connection:
    """What one client sends, from its arrival to the end of its command."""

    __slots__ = (
        "_context",
        "_inbox",
        "_is_paused",
        "_is_working",
        "_leaving",
        "_transport",
        "client",
        "hub",
        "pulse",
    )

    def __init__(self, hub: Hub, client: Client, transport: Transport) -> None:
        self.hub = hub
        self.client = client
        self.pulse = Pulse(client, hub.timers)
        self._transport = transport
        # Where units of work and log lines find whose they are.
        self._context = copy_context()
        self._inbox: deque[Received] | None = None
        self._is_working = False
        self._is_paused = False
        self._leaving: DisconnectCode | None = None
        client.connection = self

    @property
    def context(self) -> Context:
        """The context of the request that the connection began with."""
        return self._context

    def take(self, text: str) -> None:
        """Receive one frame of the client."""
        if self.client.ending is not None:
            return
        try:
            received = decode_frame(text)
        except MalformedFrame:
            self.client.disconnect(MALFORMED)
            return
        for each in received:
            if not each.is_pong:
                self._put(each)
            elif not self.pulse.take_pong():
                self.client.disconnect(MALFORMED)
                return
        if self._inbox is not None and not self._is_working:
            self._is_working = True
            self.hub.spawn(self._work(), self._context)

    def lose(self) -> None:
        """The client left."""
        self.client.disconnect(CONNECTION_CLOSED)

    def fail(self) -> None:
        """End the connection for the exception that is being handled."""
        self._context.run(logger.exception, "a connection failed")
        self.client.disconnect(SERVER_ERROR)

    def leave(self, code: DisconnectCode) -> None:
        """End the connection when the commands that are at work are answered."""
        if self._is_working:
            self._leaving = code
        else:
            self.client.disconnect(code)

    def finish(self) -> Frame | None:
        """The connection is over: stop the clocks, read nothing more, and return what should still
        be written."""
        self.pulse.stop()
        client = self.client
        client.forget_connection()
        self._is_paused = False
        del self._transport
        if client.ending in (CONNECTION_CLOSED, SLOW):
            # A client that is slow would not read what waits, and recovers it when it comes back.
            return None
        return client.outgoing.take_all()

    def _put(self, received: Received) -> None:
        if self._inbox is None:
            self._inbox = deque()
        self._inbox.append(received)
        if len(self._inbox) >= INBOX_COMMANDS and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    async def _work(self) -> None:
        """Work off the inbox, in order, until nothing is left or the connection ends."""
        client = self.client
        try:
            while self._inbox and client.ending is None:
                was_connected = client.is_connected
                await handle_next(Session(self.hub, client), self._inbox)
                if client.is_connected and not was_connected:
                    self.pulse.begin()
                self._read_on()
        except Exception:
            logger.exception("a connection failed")
            client.disconnect(SERVER_ERROR)
        finally:
            # None rather than empty, as in `Outgoing`.
            self._inbox = None
            self._is_working = False
        if self._leaving is not None:
            client.disconnect(self._leaving)

    def _read_on(self) -> None:
        if self._is_paused and not self._inbox:
            self._is_paused = False
            self._transport.resume_reading()


async def serve(hub: Hub, client: Client, transport: TaskTransport) -> DisconnectCode:
    """Serve `client` until its connection is over, and return why it is."""
    connection = Connection(hub, client, transport)
    rest = None
    try:
        client.outgoing.attach(transport)
        transport.open(connection)
        code = await client.wait_for_end()
    finally:
        rest = connection.finish()
    if code is not CONNECTION_CLOSED:
        await transport.close(code, rest)
    return code


def take_message(connection: Connection, text: str | None) -> None:
    """Pass on one message of a WebSocket; a binary one has no text."""
    limit = connection.client.bounds.message_bytes
    if text is None:
        connection.client.disconnect(MALFORMED)
    elif _size(text, limit) > limit:
        connection.client.disconnect(MESSAGE_TOO_BIG)
    else:
        connection.take(text)


def _size(text: str, limit: int) -> int:
    """The bytes of `text`, counted no further than needed to tell whether they exceed `limit`."""
    if len(text) > limit or text.isascii():
        return len(text)
    return len(text.encode())
