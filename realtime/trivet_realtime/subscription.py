"""One subscription of one client: what it has been sent, and what comes next."""

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

from trivet_realtime.frames import Frame

if TYPE_CHECKING:
    from trivet_realtime.client import Client
    from trivet_realtime.credentials import Grant
    from trivet_realtime.protocol import ClientInfo
    from trivet_realtime.timers import Timer
    from trivet_realtime.views import View


class State(Enum):
    """A subscription holds while its position is being read, then flows, then is over."""

    HOLDING = auto()
    FLOWING = auto()
    OVER = auto()


class Subscription:
    """Sends a channel's publications on, in order, each once, or not at all.

    SDKs keep the newest offset they saw and check for no gap, so this is where order is
    guaranteed: what was sent already is dropped, and on a hole the subscription calls
    `on_hole` and is over. `hold_limit` bounds what it keeps while it is HOLDING.
    """

    __slots__ = (
        "_held",
        "_hold_limit",
        "_on_hole",
        "_spoiled",
        "channel",
        "client",
        "expiry",
        "grant",
        "info",
        "offset",
        "state",
        "view",
    )

    def __init__(
        self,
        client: "Client",
        channel: str,
        on_hole: Callable[["Subscription"], None],
        hold_limit: int,
    ) -> None:
        self.client = client
        self.channel = channel
        self.state = State.HOLDING
        self.offset = 0
        self.grant: Grant | None = None
        """What allowed it; None until that is known."""
        self.info: ClientInfo | None = None
        """The client for the other subscribers; None before it has joined them."""
        self.view: View | None = None
        """How it sees the channel, if not like all others."""
        self.expiry: Timer | None = None
        self._on_hole = on_hole
        self._hold_limit = hold_limit
        self._spoiled = False
        self._held: list[tuple[int, Frame]] = []

    def offer(self, offset: int, frame: Frame) -> None:
        """Take the next publication of the channel, encoded as a push."""
        if self.state is State.FLOWING:
            self._forward(offset, frame)
        elif self.state is State.HOLDING:
            self._hold(offset, frame)

    def start(self, offset: int) -> None:
        """Let flow what comes after `offset`, beginning with what was held.

        The reply to the subscribe command must be on its way before.
        """
        self.state = State.FLOWING
        self.offset = offset
        if self._spoiled:
            self._on_hole(self)
        held, self._held = self._held, []
        for at, frame in held:
            if self.state is State.FLOWING:
                self._forward(at, frame)

    @property
    def is_over(self) -> bool:
        return self.state is State.OVER

    def is_next(self, offset: int) -> bool:
        """Whether the publication at `offset` is the one that the client gets next."""
        return self.state is State.FLOWING and offset == self.offset + 1

    @property
    def held_size(self) -> tuple[int, int]:
        """How many publications are held, and how many bytes these are."""
        return len(self._held), sum(len(frame) for _, frame in self._held)

    def spoil(self) -> None:
        """Make of a subscription that is HOLDING one that starts with a hole: while its
        position was being read, the channel lost the publications that follow on it."""
        self._spoiled = True

    def end(self) -> None:
        """Send nothing more."""
        self.state = State.OVER
        self._held.clear()
        if self.expiry is not None:
            self.expiry.cancel()

    def _forward(self, offset: int, frame: Frame) -> None:
        if offset <= self.offset:
            return
        if offset > self.offset + 1:
            self._on_hole(self)
            return
        self.offset = offset
        if frame.payload:  # a view may leave it out
            self.client.send(frame)

    def _hold(self, offset: int, frame: Frame) -> None:
        # Past the limit the oldest goes: if the position read later covers it, nothing is
        # lost; if not, `start` meets the hole.
        self._held.append((offset, frame))
        if len(self._held) > self._hold_limit:
            del self._held[0]
