"""The pulse of one connection: connected in time, alive, and with a credential that holds.

All of it are calls of the hub's one wheel of timers. A pong is noted as soon as it arrives,
whatever commands are at work.
"""

import random
from datetime import UTC, datetime

from trivet_realtime.client import Client
from trivet_realtime.codes import CREDENTIAL_EXPIRED, NO_PONG, STALE
from trivet_realtime.frames import Frame
from trivet_realtime.protocol import PING
from trivet_realtime.timers import Timer, TimerWheel

CLOCK_SECONDS = 3600.0
"""How often a credential's end is compared with the clock again, which may be set meanwhile."""

_PING = Frame(PING)


class Pulse:
    """Ends the connection of `client` when it shows no life, or when its time is over."""

    __slots__ = ("_awaits_pong", "_beat", "_client", "_end", "_timers")

    def __init__(self, client: Client, timers: TimerWheel) -> None:
        self._client = client
        self._timers = timers
        self._awaits_pong = False
        self._beat = timers.call_later(client.bounds.connect_seconds, self._be_stale)
        self._end: Timer | None = None
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
        """The client has connected: ping it from now on."""
        # Spread, so that clients that came back together after an outage do not ping together.
        first = self._client.bounds.ping_seconds * random.uniform(0.5, 1.0)  # noqa: S311  # no secret
        self._wait(first)

    def take_pong(self) -> bool:
        """Note that the client is there; False if nobody asked."""
        asked, self._awaits_pong = self._awaits_pong, False
        if asked:
            self._wait(self._client.bounds.ping_seconds)
        return asked

    def stop(self) -> None:
        """The connection is over."""
        self._beat.cancel()
        if self._end is not None:
            self._end.cancel()

    def _wait(self, seconds: float) -> None:
        self._beat.cancel()
        self._beat = self._timers.call_later(seconds, self._ping)

    def _ping(self) -> None:
        self._awaits_pong = True
        self._client.send(_PING)
        self._beat = self._timers.call_later(self._client.bounds.pong_seconds, self._be_gone)

    def _be_stale(self) -> None:
        self._client.disconnect(STALE)

    def _be_gone(self) -> None:
        self._client.disconnect(NO_PONG)
