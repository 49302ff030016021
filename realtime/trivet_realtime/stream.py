"""A channel as this process hears it: where it stands, what came last, and who hears it.

A subscription that has everything up to where the stream stands *flows*: all of them get the same
frame, written straight to their sockets. One whose client does not take bytes as fast is *apart*:
nothing piles up for it beyond its queue, and it is brought on from memory, or from the database,
when its client reads again. So a large commit cuts nobody off, and a slow client holds up nobody.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from trivet.events.outbox import Position, StoredPublication, unopened_epoch
from trivet_realtime.descriptors import CAN_SEND
from trivet_realtime.frames import Frame, join
from trivet_realtime.judging import Judging
from trivet_realtime.recent import Recent, RecentMemory
from trivet_realtime.recovery import Recovery, is_same_life, is_unopened
from trivet_realtime.rows import FEWEST, WRITES_A_TURN, Rows
from trivet_realtime.subscription import State, Subscription
from trivet_realtime.views import Parcel, View

if TYPE_CHECKING:
    from trivet_realtime.credentials import Grant
    from trivet_realtime.hub import Hub

logger = logging.getLogger(__name__)

PART_BYTES = 64 * 1024
"""What is sent to everybody before the sockets get their turn. Several publications of one channel
are one frame up to this size."""


class Stream:
    """The publications of one channel to its subscribers here; used on the event loop only."""

    __slots__ = (
        "_hub",
        "_judging",
        "_rows",
        "channel",
        "epoch",
        "grant",
        "is_open",
        "offset",
        "recent",
        "subscribers",
    )

    def __init__(self, hub: "Hub", channel: str, memory: RecentMemory) -> None:
        self._hub = hub
        self.channel = channel
        self.grant: Grant | None = None
        """What allows the subscriptions of those who have no token."""
        self.is_open = False
        """Whether it is known where the stream stands."""
        self.epoch = ""
        """Empty for a channel to which nobody has published."""
        self.offset = 0
        self.recent = Recent(memory)
        self.subscribers: dict[Subscription, None] = {}
        self._rows: Rows | None = None
        """None before there are many, as in most channels."""
        self._judging: Judging | None = None
        """What brings on the judged ones, as soon as there is one."""

    @property
    def position(self) -> Position:
        """Where it stands, with an epoch to come back with."""
        return Position(self.epoch or unopened_epoch(), self.offset)

    def open_at(self, position: Position) -> None:
        """Stand at `position`, unless a delivery has said already where the stream stands."""
        if not self.is_open:
            self.is_open = True
            self.epoch, self.offset = position.epoch, position.offset

    # What comes

    async def deliver(self, epoch: str, publications: Sequence[StoredPublication]) -> None:
        """Send the next publications to all who flow, part by part."""
        self.open_at(Position(epoch, publications[0].offset - 1))
        self.epoch = epoch
        # After a failure the relay delivers again what was delivered.
        new = [each for each in publications if each.offset > self.offset]
        if not new:
            return
        if new[0].offset != self.offset + 1:
            self.recent.forget()
            for subscription in tuple(self.subscribers):
                if subscription.state is State.STARTING:
                    subscription.spoil()
                else:
                    self._hub.end_with_hole(subscription)
            self.offset = new[0].offset - 1
        for part in _parts(new):
            await self._send(part)
        if self._judging is not None:
            self._judging.wake()

    def restart(self, position: Position) -> None:
        """Stand at `position`, to which nothing leads."""
        self.is_open = True
        self.recent.forget()
        self.epoch, self.offset = position.epoch, position.offset

    async def _send(self, part: Sequence[StoredPublication]) -> None:
        before, after = self.offset, part[-1].offset
        parcels = _parcels(part, self.recent.last)
        self.recent.add(part)
        # From here on a new subscriber stands behind this part.
        self.offset = after
        frame = _frame(parcels)
        if self._rows is not None:
            await self._rows.send(frame.message, before, after)
        alone = list(self.subscribers if self._rows is None else self._rows.alone)
        ready: list[Subscription] = []
        for start in range(0, len(alone), WRITES_A_TURN):
            some = alone[start : start + WRITES_A_TURN]
            self._send_to_each(some, parcels, frame, before, ready)
            await asyncio.sleep(0)
        if CAN_SEND and len(ready) >= FEWEST:
            self._line_up(ready)

    def _send_to_each(
        self,
        subscriptions: Iterable[Subscription],
        parcels: Sequence[Parcel],
        frame: Frame,
        before: int,
        ready: list[Subscription],
    ) -> None:
        """Send the part that follows on `before` to those who have everything up to there, and note
        in `ready` who took it by the short way. One that fails keeps it from nobody else."""
        message, after = frame.message, parcels[-1].stored.offset
        for subscription in subscriptions:
            try:
                if subscription.flows_at == before:
                    subscription.flows_at = after
                    direct = subscription.outgoing.direct
                    if subscription.view is not None:
                        self._send_view(subscription, parcels, before)
                    elif direct is not None:
                        direct.write(message)
                        ready.append(subscription)
                    elif not subscription.outgoing.offer(frame):
                        _set_apart(subscription, before)
                elif subscription.state is State.APART:
                    self.bring_on(subscription)
            except Exception:  # noqa: BLE001  # it is logged there
                subscription.client.fail()

    def _line_up(self, ready: Iterable[Subscription]) -> None:
        """Let those of `ready` who still flow by the short way stand in rows from now on."""
        if self._rows is None:
            self._rows = Rows(self.subscribers)
        flowing = [
            each
            for each in ready
            if each.flows_at == self.offset
            and (direct := each.outgoing.direct) is not None
            and direct.descriptor >= 0
        ]
        self._rows.line_up(flowing, self.offset)

    def _send_view(
        self, subscription: Subscription, parcels: Sequence[Parcel], before: int
    ) -> None:
        if not _offer(subscription, parcels):
            _set_apart(subscription, before)

    # Who hears it

    def add(self, subscription: Subscription) -> None:
        """Note a subscriber, who begins when its position is known."""
        self.subscribers[subscription] = None
        if self._rows is not None:
            self._rows.alone[subscription] = None

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscriber that has ended."""
        del self.subscribers[subscription]
        if self._rows is not None:
            del self._rows.alone[subscription]

    def begin(self, subscription: Subscription, position: Position) -> None:
        """Let flow to `subscription` what comes after `position`."""
        is_other = self.epoch and position.epoch not in (self.epoch, "")
        if subscription.is_spoiled or (is_other and not is_unopened(position)):
            self._hub.end_with_hole(subscription)
        elif subscription.live is not None:
            if self._judging is None:
                self._judging = Judging(self._hub, self, subscription.live)
            self._judging.begin(subscription, position)
        elif position.offset == self.offset:
            subscription.flow(position.offset)
        else:
            subscription.set_apart(position.offset)
            self.bring_on(subscription)

    def bring_on(self, subscription: Subscription) -> None:
        """Send to a subscription that is apart what follows for it, as far as its client takes it.

        One that is ahead (its client read the database a moment before this process did) waits.
        """
        if subscription.state is State.JUDGED and self._judging is not None:
            self._judging.wake()
        if subscription.is_reading:
            return
        while subscription.state is State.APART and subscription.reached < self.offset:
            if not subscription.outgoing.is_clear:
                subscription.outgoing.bring_on_when_clear(subscription)
                return
            part = self.recent.after(subscription.reached, limit_bytes=PART_BYTES)
            if part is None:
                self._read_on(subscription)
                return
            _offer(subscription, _parcels(part))
            subscription.reached = part[-1].offset
        if subscription.state is State.APART and subscription.reached == self.offset:
            subscription.flow(self.offset)

    def _read_on(self, subscription: Subscription) -> None:
        """Read what is not in memory any more, and go on from there."""
        subscription.is_reading = True
        self._hub.spawn(self._read(subscription))

    async def _read(self, subscription: Subscription) -> None:
        epoch = self.epoch
        try:
            rows = await self._hub.read_on(self.channel, subscription.reached)
        except Exception:
            logger.exception("a slow subscriber of %s could not be brought on", self.channel)
            self._hub.end_with_hole(subscription)
            return
        finally:
            subscription.is_reading = False
        if subscription.state is not State.APART:
            return
        if not rows or rows[0].offset != subscription.reached + 1 or epoch != self.epoch:
            self._hub.end_with_hole(subscription)
            return
        for part in _parts(rows):
            if not _offer(subscription, _parcels(part)):
                break
            subscription.reached = part[-1].offset
        self.bring_on(subscription)

    # Who comes back

    def recover(self, asked: Position | None, *, limit: int, limit_bytes: int) -> Recovery | None:
        """What there is to recover for a client that stands at `asked`; None if only the database
        knows."""
        position = self.position
        if asked is None:
            return Recovery(position)
        kept = self._hub.kept_seconds
        if not is_same_life(position, asked, kept_seconds=kept) or asked.offset > self.offset:
            # It may be that the client knows more than this process.
            return None
        if asked.offset == self.offset:
            return Recovery(position, recovered=True)
        if self.offset - asked.offset > limit:
            return Recovery(position)
        missed = self.recent.after(asked.offset)
        if missed is None:
            return None
        if sum(len(each.data) for each in missed) > limit_bytes:
            return Recovery(position)
        return Recovery(position, recovered=True, publications=missed)


def _set_apart(subscription: Subscription, reached: int) -> None:
    subscription.set_apart(reached)
    subscription.outgoing.bring_on_when_clear(subscription)


def _offer(subscription: Subscription, parcels: Sequence[Parcel]) -> bool:
    """Send parcels to one subscription as it sees them; False if there is no room for them."""
    view = subscription.view
    frame = _frame(parcels) if view is None else _view_frame(view, parcels)
    return not frame.payload or subscription.outgoing.offer(frame)


def _frame(parcels: Sequence[Parcel]) -> Frame:
    return join([parcel.frame for parcel in parcels]) if len(parcels) > 1 else parcels[0].frame


def _view_frame(view: View, parcels: Sequence[Parcel]) -> Frame:
    frames = [view.frame(parcel, is_next=True) for parcel in parcels]
    return join([frame for frame in frames if frame.payload])


def _parcels(
    publications: Sequence[StoredPublication], previous: StoredPublication | None = None
) -> Sequence[Parcel]:
    """The publications, each with the one before it, as far as that is at hand."""
    parcels = []
    for each in publications:
        is_next = previous is not None and previous.offset == each.offset - 1
        parcels.append(Parcel(each, previous.data if previous is not None and is_next else None))
        previous = each
    return parcels


def _parts(publications: Sequence[StoredPublication]) -> Iterator[Sequence[StoredPublication]]:
    """The publications in parts of about `PART_BYTES`, each with one at least."""
    start, size = 0, 0
    for end, publication in enumerate(publications):
        if end > start and size + len(publication.data) > PART_BYTES:
            yield publications[start:end]
            start, size = end, 0
        size += len(publication.data)
    yield publications[start:]
