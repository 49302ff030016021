"""One subscription of one client: how far it has been sent its channel, and how it goes on."""

from enum import Enum, auto
from typing import TYPE_CHECKING

from trivet.events.outbox import Position

if TYPE_CHECKING:
    from trivet_realtime.client import Client
    from trivet_realtime.credentials import Grant
    from trivet_realtime.live_channels import LiveChannel
    from trivet_realtime.protocol import ClientInfo
    from trivet_realtime.rows import Row
    from trivet_realtime.stream import Stream
    from trivet_realtime.timers import Timer
    from trivet_realtime.views import View

NOT_FLOWING = -1


class State(Enum):
    """A subscription starts while it is asked who may have it, then flows; it is apart from the
    others while its client is slower than they are; it is judged if its client does not see every
    row of the channel; in the end it is over."""

    STARTING = auto()
    FLOWING = auto()
    APART = auto()
    JUDGED = auto()
    OVER = auto()


class Subscription:
    """Has a channel's publications sent on, in order, each once, or not at all.

    SDKs keep the newest offset they saw and check for no gap. So order is guaranteed here and in
    `Stream`: what flows has its offset in `flows_at`, or in its row, and a publication goes only to
    those that are exactly before it.
    """

    __slots__ = (
        "client",
        "expiry",
        "flows_at",
        "grant",
        "info",
        "is_reading",
        "is_spoiled",
        "live",
        "outgoing",
        "reached",
        "row",
        "state",
        "stream",
        "view",
    )

    def __init__(self, client: "Client", stream: "Stream") -> None:
        self.client = client
        self.outgoing = client.outgoing
        self.stream = stream
        self.state = State.STARTING
        self.flows_at = NOT_FLOWING
        """The offset of what was sent last, while it is FLOWING by itself."""
        self.row: Row | None = None
        """The row that it stands in, while it is FLOWING with others, which knows the offset."""
        self.reached = 0
        """The same, while it is APART; while it is JUDGED, what it was judged up to."""
        self.is_reading = False
        self.is_spoiled = False
        self.grant: Grant | None = None
        """What allowed it; None until that is known."""
        self.info: ClientInfo | None = None
        """The client for the other subscribers; None before it has joined them."""
        self.view: View | None = None
        """How it sees the channel, if not like all others."""
        self.live: LiveChannel | None = None
        """The channel's rows, if its client does not see all of them."""
        self.expiry: Timer | None = None

    @property
    def channel(self) -> str:
        return self.stream.channel

    @property
    def sent(self) -> int:
        """The offset of what was sent last, while it is FLOWING."""
        return self.flows_at if self.row is None else self.row.at

    @property
    def is_live(self) -> bool:
        """Whether what is sent to the channel's subscribers is sent to it."""
        return self.state in _LIVE

    @property
    def is_over(self) -> bool:
        return self.state is State.OVER

    def start(self, position: Position) -> None:
        """Let come what comes after `position`.

        The reply to the subscribe command must be on its way before.
        """
        if self.state is State.STARTING:
            self.stream.begin(self, position)

    def flow(self, offset: int) -> None:
        """Be one of those to whom the next publication goes."""
        self.state = State.FLOWING
        self.flows_at = offset

    def step_out(self) -> None:
        """Go on by itself, if it stands in a row."""
        if self.row is not None:
            self.row.remove(self)

    def set_apart(self, reached: int) -> None:
        """Be brought on one by one, from `reached` on."""
        self.state = State.APART
        self.flows_at = NOT_FLOWING
        self.reached = reached

    def be_judged(self, reached: int) -> None:
        """Be brought on with those who do not see every row, from `reached` on."""
        self.state = State.JUDGED
        self.reached = reached

    def spoil(self) -> None:
        """Make of a subscription that is STARTING one that starts with a hole: the channel lost the
        publications that follow on the position that its client is told."""
        self.is_spoiled = True

    def bring_on(self) -> None:
        """Go on, because the client takes bytes again."""
        self.stream.bring_on(self)

    def end(self) -> None:
        """Send nothing more."""
        self.step_out()
        self.state = State.OVER
        self.flows_at = NOT_FLOWING
        if self.expiry is not None:
            self.expiry.cancel()


_LIVE = (State.FLOWING, State.APART, State.JUDGED)
