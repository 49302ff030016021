"""Recovery: everything that came after a position, or the plain statement that it cannot be had.

Nothing partial: a client that is told "recovered" may trust its state, and one that is not
told so reloads its page.

An epoch is a life of a channel. A channel to which nobody has published has none yet, and gets no
row for being listened to. Its subscribers get an epoch that says when they were told so: all that
is published from then on is the first life after that moment. A channel is forgotten only when its
publications are past their time, so for as long as they are kept there can have been no other life
in between, and the position is as good as any other. After that it proves nothing.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from trivet.events.missed import Missed
from trivet.events.outbox import UNOPENED, Position, StoredPublication, unopened_epoch

NOWHERE = Position(epoch="", offset=0)
"""The position of a page that read no position; it is taken for one that was read just now."""
MARGIN = 0.9
"""The part of the time of publications for which an unopened epoch is believed: the clocks of
processes differ."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Where a channel stands, and the publications between the asked position and there.

    Unless `recovered`, there are no publications.
    """

    position: Position
    recovered: bool = False
    publications: Sequence[StoredPublication] = ()


def is_unopened(position: Position) -> bool:
    """Whether the channel had no life yet."""
    return position.epoch.startswith(UNOPENED)


def is_same_life(position: Position, asked: Position, *, kept_seconds: float) -> bool:
    """Whether both count the same publications. `kept_seconds` is the time for which a channel's
    publications are kept.

    No epoch at offset 0 is the position of a page that has read the channel before its first
    publication, and says so in its own words: from the first on, all came after it.
    """
    if asked == NOWHERE or asked.epoch == position.epoch:
        return True
    if not asked.epoch.startswith(UNOPENED):
        return False
    try:
        told = int(asked.epoch[len(UNOPENED) :], 16)
    except ValueError:
        return False
    return 0 <= time.time() - told + 1 <= kept_seconds * MARGIN


def judge(
    missed: Missed, asked: Position, *, kept_seconds: float, limit: int, limit_bytes: int
) -> Recovery:
    """What the database's answer means for a client that stands at `asked`."""
    position = missed.position or Position(unopened_epoch(), 0)
    is_same = is_same_life(position, asked, kept_seconds=kept_seconds)
    if not is_same or asked.offset > position.offset:
        return Recovery(position)
    if asked.offset == position.offset:
        return Recovery(position, recovered=True)
    rows = missed.publications
    if rows is None or len(rows) > limit or sum(len(row.data) for row in rows) > limit_bytes:
        return Recovery(position)
    return Recovery(position, recovered=True, publications=rows)
