"""The outbox: publications as rows, in channels with a gap-free offset.

The outbox is also each channel's history, so recovery and delivery read the same rows.

Order. A channel is one row that holds its newest offset. A transaction that publishes raises the
offset just before it commits, and thereby locks the row until the commit. The next writer waits,
so the order of offsets is the order of commits, and a rollback leaves no gap. The rows are locked
late (short locks) and in sorted order (no deadlock), in one statement if the database can.
"""

import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    bindparam,
    delete,
    insert,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet.events.feeds import CHANNEL_BYTES
from trivet.models.base import Model
from trivet.models.types import BigKey

EPOCH_BYTES = 4
"""An epoch distinguishes the lives of a channel. 32 bits are enough for that."""


class Channel(Model):
    """A channel's position: the number of publications in its present epoch."""

    __tablename__ = "trivet_channel"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    name: Mapped[str] = mapped_column(String(CHANNEL_BYTES), primary_key=True)
    epoch: Mapped[str] = mapped_column(String(16))
    top_offset: Mapped[int] = mapped_column(BigInteger)


class PublicationRow(Model):
    """One publication, in the form in which it is delivered."""

    __tablename__ = "trivet_publication"
    __table_args__ = (
        UniqueConstraint("channel", "offset"),
        Index(None, "created_at"),
        {"info": {"audit": "ignored"}},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    channel: Mapped[str] = mapped_column(
        String(CHANNEL_BYTES), ForeignKey("trivet_channel.name", ondelete="CASCADE")
    )
    offset: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Position:
    """The position of a channel: the newest publication that was read or delivered.

    Attributes:
        epoch: The life of the channel. After a new epoch, old offsets mean nothing.
        offset: The number of the newest publication, from 1; 0 if there is none yet.
    """

    epoch: str
    offset: int


@dataclass(frozen=True, slots=True)
class StoredPublication:
    """One publication read back: `data` is its JSON as UTF-8, `created_at` aware UTC."""

    channel: str
    offset: int
    data: bytes
    created_at: datetime


def append(session: Session, messages: Sequence[tuple[str, str]]) -> dict[str, Position]:
    """Append (channel, JSON) pairs, oldest first, and return each channel's new position.

    It has to be the last act of a transaction: the channels stay locked until it ends.
    """
    connection = session.connection()
    if len(messages) == 1 and connection.dialect.name == "postgresql":
        return _append_one(connection, *messages[0])
    counts = Counter(channel for channel, _ in messages)
    if connection.dialect.name == "postgresql":
        return _append_at_once(connection, counts, messages)
    return _append_in_turn(connection, counts, messages)


def _append_one(connection: Connection, channel: str, data: str) -> dict[str, Position]:
    row = connection.exec_driver_sql(_APPEND_ONE, _values_of(channel, data)).one()
    return {channel: Position(row.channel_epoch, row.top_offset)}


def append_and_find(
    session: Session, channel: str, data: str, query: str
) -> tuple[Position, Row[Any] | None]:
    """Append one publication, and run `query` in the same round trip. For PostgreSQL.

    `query` may lock rows: it runs when the channel is locked, as if it came second.

    Returns:
        The channel's new position, and the row that `query` found; None if it found none.
    """
    statement = _append_one_and(query)
    row = session.connection().exec_driver_sql(statement, _values_of(channel, data)).one()
    return Position(row.channel_epoch, row.top_offset), row if row.is_found else None


def _values_of(channel: str, data: str) -> dict[str, Any]:
    return {"name": channel, "epoch": _new_epoch(), "data": data, "now": datetime.now(UTC)}


def _append_at_once(
    connection: Connection, counts: Mapping[str, int], messages: Sequence[tuple[str, str]]
) -> dict[str, Position]:
    names, left = sorted(counts), dict(counts)
    backs = []
    for channel, _ in messages:
        left[channel] -= 1
        backs.append(left[channel])
    values = {
        "names": names,
        "epochs": [_new_epoch() for _ in names],
        "counts": [counts[name] for name in names],
        "channels": [channel for channel, _ in messages],
        "backs": backs,
        "data": [data for _, data in messages],
        "now": datetime.now(UTC),
    }
    return {name: Position(epoch, top) for name, epoch, top in connection.execute(_APPEND, values)}


def _append_in_turn(
    connection: Connection, counts: Mapping[str, int], messages: Sequence[tuple[str, str]]
) -> dict[str, Position]:
    reached = {}
    for name in sorted(counts):
        values = {"name": name, "epoch": _new_epoch(), "count": counts[name]}
        reached[name] = Position(*connection.execute(_RAISE, values).one())
    following = {name: position.offset - counts[name] for name, position in reached.items()}
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for channel, data in messages:
        following[channel] += 1
        rows.append(
            {"channel": channel, "offset": following[channel], "data": data, "created_at": now}
        )
    connection.execute(_TELL, rows)
    return reached


def _new_epoch() -> str:
    return secrets.token_hex(EPOCH_BYTES)


# Most transactions publish once, and need no arrays for that. The driver takes the text as it is:
# what SQLAlchemy does around a statement costs more than the statement.
_RAISE_AND_TELL = """
    WITH raised AS (
        INSERT INTO trivet_channel (name, epoch, top_offset) VALUES (%(name)s, %(epoch)s, 1)
        ON CONFLICT (name) DO UPDATE SET top_offset = trivet_channel.top_offset + 1
        RETURNING name, epoch, top_offset
    ), told AS (
        INSERT INTO trivet_publication (channel, "offset", data, created_at)
        SELECT name, top_offset, CAST(%(data)s AS text), CAST(%(now)s AS timestamptz) FROM raised
    )
    SELECT raised.epoch AS channel_epoch, raised.top_offset"""
_APPEND_ONE = f"{_RAISE_AND_TELL} FROM raised"


@cache
def _append_one_and(query: str) -> str:
    # LATERAL by its reference to `raised`: the row of the channel is locked before any of `query`.
    lateral = f"SELECT found.* FROM ({query}) AS found WHERE raised.top_offset > 0"  # noqa: S608  # a constant of the trail
    return (
        f"{_RAISE_AND_TELL}, also.id IS NOT NULL AS is_found, also.* "
        f"FROM raised LEFT JOIN LATERAL ({lateral}) AS also ON true"
    )


# Written once: to build a statement costs more than to run it.
# What comes of `unnest` is in the order of the arrays, so channels are locked by name here too.
# `back` says how many publications of the same channel come after one.
_APPEND = text("""
    WITH raised AS (
        INSERT INTO trivet_channel (name, epoch, top_offset)
        SELECT * FROM unnest(
            CAST(:names AS varchar[]), CAST(:epochs AS varchar[]), CAST(:counts AS bigint[])
        )
        ON CONFLICT (name) DO UPDATE
        SET top_offset = trivet_channel.top_offset + excluded.top_offset
        RETURNING name, epoch, top_offset
    ), told AS (
        INSERT INTO trivet_publication (channel, "offset", data, created_at)
        SELECT name, top_offset - back, message.data, CAST(:now AS timestamptz)
        FROM unnest(
            CAST(:channels AS varchar[]), CAST(:backs AS bigint[]), CAST(:data AS text[])
        ) AS message (name, back, data)
        JOIN raised USING (name)
    )
    SELECT name, epoch, top_offset FROM raised
""")
_RAISE = (
    sqlite.insert(Channel)
    .values(name=bindparam("name"), epoch=bindparam("epoch"), top_offset=bindparam("count"))
    .on_conflict_do_update(
        index_elements=["name"], set_={"top_offset": Channel.top_offset + bindparam("count")}
    )
    .returning(Channel.epoch, Channel.top_offset)
)
_TELL = insert(PublicationRow)


def open_channel(session: Session, channel: str) -> Position:
    """The position of `channel`. A channel that does not exist yet is opened at offset 0.

    A subscriber needs an epoch for its recovery, also on a channel without a publication.
    """
    found = find_position(session, channel)
    if found is not None:
        return found
    connection = session.connection()
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(Channel.__table__)
        .values(name=channel, epoch=_new_epoch(), top_offset=0)
        .on_conflict_do_nothing()
    )
    return positions(session, [channel])[channel]


def find_position(session: Session, channel: str) -> Position | None:
    """The present position of a channel: a page reads it with its data, and subscribes from it.

    Args:
        session: A session. Data and position are of one moment in a unit that only reads.
        channel: The channel's name.

    Returns:
        The position; None if nobody has published or subscribed to the channel yet.
    """
    return positions(session, [channel]).get(channel)


def positions(session: Session, channels: Iterable[str]) -> dict[str, Position]:
    """The positions of those of `channels` that exist."""
    rows = session.execute(
        select(Channel.name, Channel.epoch, Channel.top_offset).where(Channel.name.in_(channels))
    )
    return {name: Position(epoch, top) for name, epoch, top in rows}


def list_after(
    session: Session, channel: str, offset: int, *, limit: int, reverse: bool = False
) -> list[StoredPublication]:
    """Up to `limit` publications of `channel` after `offset`, oldest first.

    With `reverse`, those before `offset`, newest first; `offset` 0 then means the newest.
    """
    row = PublicationRow
    query = select(row.channel, row.offset, row.data, row.created_at).where(row.channel == channel)
    if reverse:
        query = query.order_by(row.offset.desc())
        query = query.where(row.offset < offset) if offset else query
    else:
        query = query.order_by(row.offset).where(row.offset > offset)
    return [
        StoredPublication(name, at, data.encode(), created)
        for name, at, data, created in session.execute(query.limit(limit))
    ]


def trim(session: Session, *, older_than: timedelta, limit: int) -> int:
    """Delete at most `limit` publications older than `older_than`, the oldest first, and return how
    many. Offsets stay."""
    old = (
        select(PublicationRow.id)
        .where(PublicationRow.created_at < datetime.now(UTC) - older_than)
        .order_by(PublicationRow.created_at)
        .limit(limit)
    )
    result = session.connection().execute(
        delete(PublicationRow).where(PublicationRow.id.in_(old.scalar_subquery()))
    )
    return result.rowcount
