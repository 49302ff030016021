"""One look at the outbox: what is new in the channels that somebody watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication

NOWHERE = Position(epoch="", offset=0)
"""The position of a channel that does not exist yet; it comes to life with its own epoch."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a channel: its position, and the publications that come next."""

    channel: str
    position: Position
    publications: Sequence[StoredPublication]

    def continues(self, known: Position) -> bool:
        """Whether this goes on exactly after `known`, in the same life of the channel.

        A channel that was opened since then, and not published to, goes on with nothing.
        """
        if known.epoch not in ("", self.position.epoch):
            return False
        offsets = [publication.offset for publication in self.publications]
        if not offsets:
            return self.position.offset == known.offset
        first = known.offset + 1
        return offsets == list(range(first, first + len(offsets)))


def read_new(session: Session, known: Mapping[str, Position], *, limit: int) -> list[Reading]:
    """The publications of the channels of `known` beyond those positions, about `limit` of them
    in all.

    To be called in a read-only unit, which sees one moment. A channel for which no room was
    left is read by one publication: that tells a hole, and the rest follows later.
    """
    readings = []
    for channel, position in outbox.positions(session, known).items():
        if position != known[channel]:
            rows = outbox.list_after(session, channel, known[channel].offset, limit=max(limit, 1))
            limit -= len(rows)
            readings.append(Reading(channel, position, rows))
    return readings
