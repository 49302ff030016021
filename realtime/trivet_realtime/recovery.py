"""Recovery: everything that came after a position, or the plain statement that it cannot be had.

Nothing partial: a client that is told "recovered" may trust its state, and one that is not
told so reloads its page.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where a channel stands, and the publications between the asked position and there.

    `position` is None if the channel does not exist yet. Unless `recovered`, there are no
    publications.
    """

    position: Position | None
    recovered: bool = False
    publications: Sequence[StoredPublication] = ()


def recover(
    session: Session, channel: str, asked: Position | None, *, limit: int, limit_bytes: int
) -> Recovery:
    """Read where `channel` stands, and what came after `asked` if the client has a position.

    Recovered only if that is proven: the same life of the channel, and every offset from
    the asked one to the top is there, in at most `limit` publications of `limit_bytes` in
    all. The position is read first, and rows beyond it are left to the live stream.
    """
    position = outbox.find_position(session, channel)
    if position is None or asked is None or not _is_same_life(position, asked):
        return Recovery(position)
    missed = position.offset - asked.offset
    if not 0 <= missed <= limit:
        return Recovery(position)
    rows = outbox.list_after(session, channel, asked.offset, limit=missed) if missed else []
    complete = [row.offset for row in rows] == list(range(asked.offset + 1, position.offset + 1))
    if not complete or sum(len(row.data) for row in rows) > limit_bytes:
        return Recovery(position)
    return Recovery(position, recovered=True, publications=rows)


def _is_same_life(position: Position, asked: Position) -> bool:
    """Whether both count the same publications.

    No epoch at offset 0 is the position of a page that was read before the channel existed:
    whatever was published since, from the first on, came after it.
    """
    return asked.epoch == position.epoch or asked == Position(epoch="", offset=0)
