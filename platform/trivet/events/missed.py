"""What many readers have missed, in one read.

Clients that come back after an outage ask for what came after their positions, in many channels at
once. Two statements answer them all: where the channels stand, and the publications in between.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, String, and_, case, column, func, select, values
from sqlalchemy.orm import Session

from trivet.events import outbox
from trivet.events.outbox import Position, PublicationRow, StoredPublication


@dataclass(frozen=True, slots=True)
class Missed:
    """Where a channel stands (None: it does not exist), and everything between an offset and there.

    `publications` is None if that is more than was asked for, nothing, or not there any more.
    """

    position: Position | None
    publications: Sequence[StoredPublication] | None = None


Asked = tuple[str, int]
"""A channel, and the offset after which everything is missed."""


def read_missed(
    session: Session, asked: Iterable[Asked], *, limit: int, limit_bytes: int
) -> Mapping[Asked, Missed]:
    """The answer for every one of `asked`, each with at most `limit` publications of `limit_bytes`
    in all.

    It needs a read-only unit, which sees the data of one moment.
    """
    asked = list(asked)
    positions = outbox.positions(session, {channel for channel, _ in asked})
    wanted = {}
    for channel, offset in asked:
        position = positions.get(channel)
        if position is not None and 0 < position.offset - offset <= limit:
            wanted[channel, offset] = position.offset
    rows = _read_rows(session, wanted, limit_bytes) if wanted else {}
    return {
        (channel, offset): _answer(positions.get(channel), offset, rows.get((channel, offset), []))
        for channel, offset in asked
    }


def _answer(position: Position | None, offset: int, rows: list[StoredPublication | None]) -> Missed:
    if position is None or offset >= position.offset:
        return Missed(position)
    whole = [row for row in rows if row is not None]
    found = [row.offset for row in whole]
    if found != list(range(offset + 1, position.offset + 1)):
        return Missed(position)
    return Missed(position, whole)


def _read_rows(
    session: Session, wanted: Mapping[Asked, int], limit_bytes: int
) -> Mapping[Asked, list[StoredPublication | None]]:
    """The rows of each of `wanted` up to its top, and None for those past `limit_bytes`: they are
    counted where they lie, and do not come here."""
    row = PublicationRow
    asked = (
        values(column("channel", String), column("after", BigInteger), column("top", BigInteger))
        .data([(channel, after, top) for (channel, after), top in wanted.items()])
        .cte("asked")
    )
    size = func.sum(func.length(row.data)).over(
        partition_by=(asked.c.channel, asked.c.after), order_by=row.offset
    )
    query = (
        select(
            asked.c.after,
            row.channel,
            row.offset,
            case((size <= limit_bytes, row.data)),
            row.created_at,
            row.tags,
            row.publisher,
        )
        .join_from(
            asked,
            row,
            and_(
                row.channel == asked.c.channel,
                row.offset > asked.c.after,
                row.offset <= asked.c.top,
            ),
        )
        .order_by(row.channel, asked.c.after, row.offset)
    )
    found: dict[Asked, list[StoredPublication | None]] = {}
    for after, channel, offset, data, created_at, tags, publisher in session.execute(query):
        stored = data and StoredPublication(
            channel, offset, data.encode(), created_at, _bytes(tags), _bytes(publisher)
        )
        found.setdefault((channel, after), []).append(stored)
    return found


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()
