"""One client: who it is, what it is subscribed to, what waits to be written to it.

A client lives as long as its connection and knows nothing of how that is carried. It holds
no database session: a command that needs one opens a unit of work (`Hub.open_unit`), whose origin
is the client's: its identity, its mount and the request id of its handshake.
"""

import asyncio
import logging
import secrets
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from trivet.identity import Identity
from trivet.origin import Origin
from trivet_realtime.bounds import Bounds
from trivet_realtime.codes import CONNECTION_EXPIRED, SERVER_ERROR, SLOW, DisconnectCode, ErrorCode
from trivet_realtime.credentials import Credential
from trivet_realtime.frames import Frame
from trivet_realtime.outgoing import Outgoing
from trivet_realtime.protocol import ClientInfo, Json, encode_error, encode_reply
from trivet_realtime.subscription import Subscription
from trivet_realtime.timers import Timer, TimerWheel

if TYPE_CHECKING:
    from trivet_realtime.connection import Connection


logger = logging.getLogger(__name__)


class Client:
    """The state of one connection; used on the event loop only.

    What its client does not take waits in one bounded queue. A reply or a push that does not fit
    ends the connection; a publication waits where it is (`Stream`).
    """

    __slots__ = (
        "_at_end",
        "_ending",
        "_expiry",
        "bounds",
        "connection",
        "credential",
        "id",
        "is_connected",
        "is_connecting",
        "origin",
        "outgoing",
        "session",
        "since",
        "subscriptions",
    )

    def __init__(self, origin: Origin, bounds: Bounds) -> None:
        self.id = secrets.token_hex(16)
        self.session = secrets.token_hex(16)
        self.since = time.time()
        self.origin = origin
        self.credential = Credential(origin.identity)
        self.bounds = bounds
        self.subscriptions: dict[str, Subscription] = {}
        self.outgoing = Outgoing(bounds.queue_bytes, self.subscriptions)
        self.is_connected = False
        """Whether the connect command was answered."""
        self.is_connecting = False
        """Whether it is being answered."""
        self.connection: Connection | None = None
        """What reads its commands, as long as somebody does."""
        self._ending: DisconnectCode | None = None
        self._at_end: Callable[[], object] | None = None
        self._expiry: Timer | None = None

    @property
    def identity(self) -> Identity:
        """Who the client is now."""
        return self.credential.identity

    def accept(self, credential: Credential, timers: TimerWheel) -> None:
        """Be who `credential` says from now on, and until it ends."""
        self.credential = credential
        self.origin = self.origin.by(credential.identity)
        self.forget_expiry()
        if credential.expires_at is not None:
            seconds = credential.expires_at - time.time() + self.bounds.grace_seconds
            self._expiry = timers.call_later(seconds, self._expire)

    def forget_expiry(self) -> None:
        """The credential's end means nothing any more: there is a newer one, or no client."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def _expire(self) -> None:
        self.disconnect(CONNECTION_EXPIRED)

    def info(self, chan_info: Json = UNSET) -> ClientInfo:
        """The client as others see it, in a channel that knows `chan_info` of it."""
        credential = self.credential
        return ClientInfo(credential.user, self.id, credential.info, chan_info)

    def has_room(self, channels: int = 1) -> bool:
        """Whether so many more channels are within the bound, whoever subscribes it to them."""
        return len(self.subscriptions) + channels <= self.bounds.channels

    @property
    def ending(self) -> DisconnectCode | None:
        """Why the connection is ending, if it is."""
        return self._ending

    def disconnect(self, code: DisconnectCode) -> None:
        """End the connection; the first reason given is the one that the client is told."""
        if self._ending is None:
            self._ending = code
            self.outgoing.stop()
            if self._at_end is not None:
                self._at_end()

    def fail(self) -> None:
        """End the connection for the exception that is being handled, so that it harms nobody else
        who is served in the same turn. The client comes back, and recovers."""
        if self.connection is not None:
            self.connection.fail()
        else:
            logger.error("a connection failed", exc_info=sys.exception())
            self.disconnect(SERVER_ERROR)

    def leave_in_time(self, code: DisconnectCode) -> None:
        """End the connection when the commands that are at work are answered."""
        if self.connection is None:
            self.disconnect(code)
        else:
            self.connection.leave(code)

    def call_at_end(self, callback: Callable[[], object]) -> None:
        """Call `callback` when the connection has to end, or now if that has come. It is called
        in the midst of something, and must do no more than schedule what follows."""
        self._at_end = callback
        if self._ending is not None:
            callback()

    async def wait_for_end(self) -> DisconnectCode:
        """Return when the connection has to end, with the reason. One task may wait."""
        ended = asyncio.Event()
        self.call_at_end(ended.set)
        await ended.wait()
        assert self._ending is not None
        return self._ending

    def forget_connection(self) -> None:
        """Nothing is read any more. What knew each other would wait for the garbage collector."""
        self.connection = self._at_end = None

    def send(self, encoded: bytes | Frame) -> None:
        """Send one encoded object, or a frame that others get too."""
        if self._ending is None:
            frame = encoded if isinstance(encoded, Frame) else Frame(encoded)
            if not self.outgoing.add(frame):
                self.disconnect(SLOW)

    def reply(self, command_id: int, method: str, result: msgspec.Struct) -> None:
        """Answer a command."""
        self.send(encode_reply(command_id, method, result))

    def refuse(self, command_id: int, error: ErrorCode) -> None:
        """Answer a command with an error."""
        self.send(encode_error(command_id, error))
