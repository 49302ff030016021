"""The way out to one client: straight to its carrier, or bounded and in order behind it."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from trivet_realtime.frames import PART_BYTES, Frame, join

if TYPE_CHECKING:
    from trivet_realtime.subscription import Subscription


class Direct(Protocol):
    """The short way to a client: what a carrier puts its frames' WebSocket messages into."""

    @property
    def write(self) -> Callable[[bytes], object]:
        """Takes one message."""
        ...

    @property
    def descriptor(self) -> int:
        """To which messages may be sent instead; -1 if they may not."""
        ...


class Carrier(Protocol):
    """Takes frames to one client: a WebSocket, a stream of HTTP, whatever else."""

    @property
    def is_clear(self) -> bool:
        """Whether a frame would be on its way at once, with nothing before it."""
        ...

    @property
    def direct(self) -> Direct | None:
        """What may be used while the carrier is clear; None if there is no short way."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """The bytes that the carrier has taken and the network has not, as far as it knows."""
        ...

    def write(self, frame: Frame) -> None:
        """Take one frame. It never blocks, and never fails: an end is told elsewhere.

        A carrier that was not clear calls `Outgoing.resume` when it is again.
        """
        ...


class Outgoing:
    """The frames to one client, of which at most `limit` bytes wait.

    Publications may take half of that. A subscription for which there is no room waits here until
    there is, and is brought on from where it stood; so what a client asked for itself has room.
    """

    __slots__ = (
        "_apart",
        "_bytes",
        "_limit",
        "_resumed",
        "_subscriptions",
        "_waiting",
        "carrier",
        "direct",
        "on_wait",
    )

    def __init__(self, limit: int, subscriptions: Mapping[str, "Subscription"]) -> None:
        """`subscriptions` are those of the client."""
        self._limit = limit
        self._subscriptions = subscriptions
        self._waiting: deque[Frame] | None = None
        """None rather than empty: an empty deque takes 760 bytes, in every idle connection."""
        self._bytes = 0
        self._resumed = 0
        self._apart: set[Subscription] | None = None
        self.carrier: Carrier | None = None
        self.direct: Direct | None = None
        """The carrier's own, as long as nothing waits: the short way of a stream, which has one
        message for thousands."""
        self.on_wait: Callable[[], None] | None = None
        """Called when frames begin to wait."""

    @property
    def is_clear(self) -> bool:
        """Whether a frame would be on its way at once."""
        return self._waiting is None and self.carrier is not None and self.carrier.is_clear

    @property
    def is_waiting(self) -> bool:
        """Whether frames wait for the carrier."""
        return self._waiting is not None

    @property
    def progress(self) -> tuple[int, int]:
        """Something that changes whenever the client has taken bytes while frames wait."""
        return self._resumed, 0 if self.carrier is None else self.carrier.waiting_bytes

    def add(self, frame: Frame) -> bool:
        """Send one frame, now or when its turn comes; False if it does not fit, and is dropped.

        An empty queue takes a frame of any size. One larger than the whole bound could otherwise
        never be sent, and the client would reconnect for it again and again.
        """
        return self._put(frame, self._limit)

    def offer(self, frame: Frame) -> bool:
        """As `add`, for publications."""
        return self._put(frame, self._limit // 2)

    def _put(self, frame: Frame, limit: int) -> bool:
        if self._waiting is None:
            if self.carrier is not None and self.carrier.is_clear:
                self.carrier.write(frame)
                return True
            self._waiting = deque()
            self.pause()
            if self.on_wait is not None:
                self.on_wait()
        elif self._bytes + len(frame) > limit:
            return False
        self._waiting.append(frame)
        self._bytes += len(frame)
        return True

    def bring_on_when_clear(self, subscription: "Subscription") -> None:
        """Call `subscription.bring_on()` when nothing waits any more."""
        if self._apart is None:
            self._apart = set()
        self._apart.add(subscription)

    def attach(self, carrier: Carrier) -> None:
        """Send by `carrier` from now on, beginning with what waits."""
        self.carrier = carrier
        self.resume()

    def pause(self) -> None:
        """There is no short way, because the carrier is not clear, or because frames wait."""
        if self.direct is not None:
            self.direct = None
            for each in self._subscriptions.values():
                each.step_out()

    def resume(self) -> None:
        """Go on with what waits, for as long as the carrier is clear."""
        carrier = self.carrier
        if carrier is None:
            return
        self._resumed += 1
        while self._waiting is not None and carrier.is_clear:
            carrier.write(self._take())
        if self._waiting is None and carrier.is_clear:
            self.direct = carrier.direct
            apart, self._apart = self._apart, None
            for subscription in apart or ():
                try:
                    subscription.bring_on()
                except Exception:  # noqa: BLE001  # it is logged there
                    subscription.client.fail()

    @property
    def size(self) -> tuple[int, int]:
        """How many frames and how many bytes wait; what the carrier holds counts as one more."""
        held = 0 if self.carrier is None else self.carrier.waiting_bytes
        frames = 0 if self._waiting is None else len(self._waiting)
        return frames + bool(held), self._bytes + held

    def take_all(self) -> Frame | None:
        """What waits, as one frame, when no other frame comes; None if nothing waits."""
        self.pause()
        if self._waiting is None:
            return None
        rest, self._waiting, self._bytes = join(self._waiting), None, 0
        return rest

    def stop(self) -> None:
        """Give the carrier nothing more: the connection ends."""
        self.pause()
        self.carrier = self.on_wait = self._apart = None

    def _take(self) -> Frame:
        """The frames that waited longest, as one of about `PART_BYTES`."""
        assert self._waiting is not None
        frames = [self._waiting.popleft()]
        size = len(frames[0])
        while self._waiting and size + len(self._waiting[0]) <= PART_BYTES:
            frames.append(self._waiting.popleft())
            size += len(frames[-1])
        self._bytes -= size
        if not self._waiting:
            self._waiting, self._bytes = None, 0
        return frames[0] if len(frames) == 1 else join(frames)
