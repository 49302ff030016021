"""One reading of the outbox: the new publications of the watched channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication

NOWHERE = Position(epoch="", offset=0)
"""The position of a channel that does not exist yet. It gets an epoch when it is opened."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a channel: its position, and the publications that come next."""

    channel: str
    position: Position
    publications: Sequence[StoredPublication]

    def continues(self, known: Position) -> bool:
        """Whether this continues exactly after `known`, in the same epoch of the channel.

        So does a channel that was opened since then and has no publication.
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

    It needs a read-only unit, which sees the data of one moment. If `limit` is reached, one
    publication of each other channel is read: it shows a hole, and the rest follows later.
    """
    readings = []
    for channel, position in outbox.positions(session, known).items():
        if position != known[channel]:
            rows = outbox.list_after(session, channel, known[channel].offset, limit=max(limit, 1))
            limit -= len(rows)
            readings.append(Reading(channel, position, rows))
    return readings
