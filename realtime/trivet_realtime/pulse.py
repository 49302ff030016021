"""The pulse of one connection: connected in time, alive, and with a credential that holds.

All of it are calls of the hub's one wheel of timers. A pong is noted as soon as it arrives,
whatever commands are at work.
"""

import random
from datetime import UTC, datetime

from trivet_realtime.client import Client
from trivet_realtime.codes import CREDENTIAL_EXPIRED, NO_PONG, SLOW, STALE
from trivet_realtime.frames import Frame
from trivet_realtime.protocol import PING
from trivet_realtime.timers import Timer, TimerWheel

CLOCK_SECONDS = 3600.0
"""How often a credential's end is compared with the clock again, which may be set meanwhile."""

_PING = Frame(PING)


class Pulse:
    """Ends the connection of `client` when it shows no life, or when its time is over."""

    __slots__ = ("_awaits_pong", "_beat", "_client", "_end", "_progress", "_slowness", "_timers")

    def __init__(self, client: Client, timers: TimerWheel) -> None:
        self._client = client
        self._timers = timers
        self._awaits_pong = False
        self._beat = timers.call_later(client.bounds.connect_seconds, self._be_stale)
        self._end: Timer | None = None
        self._slowness: Timer | None = None
        self._progress = (0, 0)
        client.outgoing.on_wait = self.watch_writing
        self.watch_credential()

    def watch_credential(self) -> None:
        """End with the credential that the client has now, if that has an end."""
        if self._end is not None:
            self._end.cancel()
            self._end = None
        ends = self._client.identity.expires_at
        if ends is None:
            return
        left = (ends - datetime.now(UTC)).total_seconds()
        if left > 0:
            self._end = self._timers.call_later(min(left, CLOCK_SECONDS), self.watch_credential)
        else:
            self._client.disconnect(CREDENTIAL_EXPIRED)

    def begin(self) -> None:
        """The client has connected: ping it from now on, and end with what it connected by."""
        self.watch_credential()
        # Spread, so that clients that came back together after an outage do not ping together.
        first = self._client.bounds.ping_seconds * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        self._wait(first)

    def take_pong(self) -> bool:
        """Note that the client is there; False if nobody asked."""
        asked, self._awaits_pong = self._awaits_pong, False
        if asked:
            self._wait(self._client.bounds.ping_seconds)
        return asked

    def watch_writing(self) -> None:
        """Frames wait: end the connection if the client takes nothing for too long.

        How much waits says nothing: it may have been published at once.
        """
        if self._slowness is None:
            self._progress = self._client.outgoing.progress
            seconds = self._client.bounds.slow_seconds
            self._slowness = self._timers.call_later(seconds, self._judge_writing)

    def stop(self) -> None:
        """The connection is over."""
        self._beat.cancel()
        for timer in (self._end, self._slowness):
            if timer is not None:
                timer.cancel()

    def _wait(self, seconds: float) -> None:
        self._beat.cancel()
        self._beat = self._timers.call_later(seconds, self._ping)

    def _ping(self) -> None:
        self._awaits_pong = True
        self._client.send(_PING)
        self._beat = self._timers.call_later(self._client.bounds.pong_seconds, self._be_gone)

    def _judge_writing(self) -> None:
        self._slowness = None
        outgoing = self._client.outgoing
        if outgoing.is_waiting and outgoing.progress == self._progress:
            self._client.disconnect(SLOW)
        elif outgoing.is_waiting:
            self.watch_writing()

    def _be_stale(self) -> None:
        if self._client.is_connecting:
            # It is this process that takes so long. Who is cut off comes back and asks once more.
            seconds = self._client.bounds.connect_seconds
            self._beat = self._timers.call_later(seconds, self._be_stale)
        else:
            self._client.disconnect(STALE)

    def _be_gone(self) -> None:
        if self._client.outgoing.is_waiting:
            # The ping may not have arrived yet: whether it is slow is judged by what it takes.
            self._beat = self._timers.call_later(self._client.bounds.pong_seconds, self._be_gone)
        else:
            self._client.disconnect(NO_PONG)
