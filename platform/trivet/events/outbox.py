"""The outbox: publications as rows, in channels with a gap-free offset.

The outbox is also each channel's history, so recovery and delivery read the same rows.

Order. A channel is one row that holds its newest offset. A transaction that publishes raises the
offset just before it commits, and thereby locks the row until the commit. The next writer waits,
so the order of offsets is the order of commits, and a rollback leaves no gap. The rows are locked
late (short locks) and in sorted order (no deadlock): see `trivet.events.appending`. What leaves the
outbox with time stands in `trivet.events.pruning`.

Ids. Each channel's publications have their ids in the order of their offsets, and an id is never
used again. Ids of different channels may become visible out of order, because transactions commit
in another order than they take ids.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    select,
    text,
)
from sqlalchemy.engine import Row
from sqlalchemy.orm import Mapped, Session, mapped_column

from trivet.events.feeds import CHANNEL_BYTES
from trivet.models.base import Model
from trivet.models.types import BigKey

EPOCH_BYTES = 4
"""An epoch distinguishes the lives of a channel. 32 bits are enough for that."""
UNOPENED = "~"
"""The first character of an epoch of a channel that has no life; a real one is hexadecimal."""
IDEMPOTENCY_KEY_CHARACTERS = 128


class Channel(Model):
    """A channel's position: the number of publications in its present epoch."""

    __tablename__ = "trivet_channel"
    __table_args__ = ({"info": {"audit": "ignored"}},)

    name: Mapped[str] = mapped_column(String(CHANNEL_BYTES), primary_key=True)
    epoch: Mapped[str] = mapped_column(String(16))
    top_offset: Mapped[int] = mapped_column(BigInteger)
    kept_at: Mapped[datetime | None] = mapped_column(
        comment="It is kept for as long as if it had been published to at this time."
    )


_HAS_KEY = text("idempotency_key IS NOT NULL")


class PublicationRow(Model):
    """One publication, in the form in which it is delivered.

    `tags`, `publisher`, `idempotency_key`, `row_before`, `row_after` and `rows_gone` are NULL
    unless they are given; see `trivet.events.appending.NewPublication` for their meaning. Nothing
    reads the last three but `trivet.delivery.sights` and its neighbour, and they never leave the
    database.
    """

    __tablename__ = "trivet_publication"
    __table_args__ = (
        UniqueConstraint("channel", "offset"),
        Index(None, "created_at"),
        # Partial, so that a publication without a key costs the index nothing.
        Index(
            "ix_trivet_publication_idempotency_key",
            "channel",
            "idempotency_key",
            unique=True,
            postgresql_where=_HAS_KEY,
            sqlite_where=_HAS_KEY,
        ),
        # Without it, SQLite would begin at 1 again when retention has removed everything.
        {"info": {"audit": "ignored"}, "sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    channel: Mapped[str] = mapped_column(
        String(CHANNEL_BYTES), ForeignKey("trivet_channel.name", ondelete="CASCADE")
    )
    offset: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime]
    tags: Mapped[str | None] = mapped_column(Text, comment="A JSON object of strings.")
    publisher: Mapped[str | None] = mapped_column(
        Text, comment="A JSON object: the client that published it."
    )
    idempotency_key: Mapped[str | None] = mapped_column(String(IDEMPOTENCY_KEY_CHARACTERS))
    row_before: Mapped[str | None] = mapped_column(
        Text, comment="A JSON object: the row before the change; of an update, what it changes."
    )
    row_after: Mapped[str | None] = mapped_column(
        Text, comment="A JSON object: the row after the change."
    )
    rows_gone: Mapped[str | None] = mapped_column(
        Text, comment="A JSON object: the rows that its transaction deleted, by their tables."
    )


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
    """One publication read back: `data`, `tags` and `publisher` are JSON as UTF-8, `created_at` is
    aware UTC."""

    channel: str
    offset: int
    data: bytes
    created_at: datetime
    tags: bytes | None = None
    publisher: bytes | None = None


def new_epoch() -> str:
    """The name of a new life of a channel."""
    return os.urandom(EPOCH_BYTES).hex()


def unopened_epoch(now: float | None = None) -> str:
    """The epoch of a channel without a life, as it is told at `now` (seconds since 1970)."""
    return f"{UNOPENED}{int(time.time() if now is None else now):x}"


def find_position(session: Session, channel: str) -> Position:
    """The present position of a channel: a page reads it with its data, and subscribes from it.

    Args:
        session: A session. Data and position are of one moment in a unit that only reads.
        channel: The channel's name.

    Returns:
        The position. If nobody has published to the channel, or not for as long as publications
        are kept, its offset is 0 and its epoch is that of this moment.
    """
    return positions(session, [channel]).get(channel) or Position(unopened_epoch(), 0)


def positions(session: Session, channels: Iterable[str]) -> dict[str, Position]:
    """The positions of those of `channels` that exist."""
    rows = session.execute(
        select(Channel.name, Channel.epoch, Channel.top_offset).where(Channel.name.in_(channels))
    )
    return {name: Position(epoch, top) for name, epoch, top in rows}


@dataclass(frozen=True, slots=True)
class ChannelTop:
    """Where a channel stands, with the instant at which its newest publication was made (aware
    UTC); None if it has none any more."""

    epoch: str
    offset: int
    last_at: datetime | None


def list_tops(session: Session, channels: Iterable[str]) -> dict[str, ChannelTop]:
    """Where those of `channels` stand that exist."""
    row = PublicationRow
    is_newest = (row.channel == Channel.name) & (row.offset == Channel.top_offset)
    rows = session.execute(
        select(Channel.name, Channel.epoch, Channel.top_offset, row.created_at)
        .outerjoin(row, is_newest)
        .where(Channel.name.in_(channels))
    )
    return {name: ChannelTop(epoch, top, at) for name, epoch, top, at in rows}


def list_after(
    session: Session, channel: str, offset: int, *, limit: int, reverse: bool = False
) -> list[StoredPublication]:
    """Up to `limit` publications of `channel` after `offset`, oldest first.

    With `reverse`, those before `offset`, newest first; `offset` 0 then means the newest.
    """
    row = PublicationRow
    query = select(*_STORED).where(row.channel == channel)
    if reverse:
        query = query.order_by(row.offset.desc())
        query = query.where(row.offset < offset) if offset else query
    else:
        query = query.order_by(row.offset).where(row.offset > offset)
    return [_stored(found) for found in session.execute(query.limit(limit))]


def find_by_key(session: Session, channel: str, idempotency_key: str) -> StoredPublication | None:
    """The publication that `channel` has accepted under `idempotency_key`; None if there is none,
    or none any more."""
    row = PublicationRow
    query = select(*_STORED).where(row.channel == channel, row.idempotency_key == idempotency_key)
    found = session.execute(query).one_or_none()
    return None if found is None else _stored(found)


_STORED = (
    PublicationRow.channel,
    PublicationRow.offset,
    PublicationRow.data,
    PublicationRow.created_at,
    PublicationRow.tags,
    PublicationRow.publisher,
)


def _stored(row: Row[str, int, str, datetime, str | None, str | None]) -> StoredPublication:
    channel, offset, data, created_at, tags, publisher = row
    return StoredPublication(
        channel,
        offset,
        data.encode(),
        created_at,
        None if tags is None else tags.encode(),
        None if publisher is None else publisher.encode(),
    )
