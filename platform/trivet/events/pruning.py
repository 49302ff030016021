"""What leaves the outbox with time: publications, and channels that have none left.

A channel that is removed and published to again begins a new life: another epoch, and offset 1.
Whoever holds a position of the earlier life is told that it cannot be continued. So a channel may
go when its publications are past their time, and not before: an epoch of a channel without a life
is believed for about that time (`trivet_realtime.recovery`).

A writer that has raised a channel's offset holds its row until it commits. Nothing here waits for
such a row: it is skipped. And what is removed is compared once more under its lock, by the epoch
and offset that were seen without publications, so a channel that was published to in between
stays. A writer that comes a moment later waits for one short transaction, and then opens the
channel anew.

Some channels are kept although they have no publication: somebody watches them, or their history
was removed early. `Channel.kept_at` says when that was.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, tuple_, update
from sqlalchemy.orm import Session

from trivet.events.outbox import Channel, Position, PublicationRow

Seen = tuple[str, Position]
"""A channel without publications, and where it stood when it was looked at."""


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


def find_empty(
    session: Session, *, older_than: timedelta, after: str, limit: int
) -> tuple[Sequence[Seen], str | None]:
    """Look at `limit` channels that follow on the name `after`, without a lock.

    Returns:
        Those of them that have no publications, and for which nobody asked within `older_than`;
        and the name from which the next look goes on, None if this was the last one.
    """
    some = (
        select(Channel.name, Channel.epoch, Channel.top_offset, _is_empty(older_than).label("go"))
        .where(Channel.name > after)
        .order_by(Channel.name)
        .limit(limit)
    )
    rows = session.execute(some).all()
    empty = [(row.name, Position(row.epoch, row.top_offset)) for row in rows if row.go]
    return empty, rows[-1].name if len(rows) == limit else None


def forget(session: Session, seen: Sequence[Seen], *, older_than: timedelta) -> int:
    """Delete those of `seen` that are as they were seen, and return how many. Those that a writer
    holds stay."""
    as_seen = [(name, position.epoch, position.offset) for name, position in seen]
    # SQLite knows no row locks: the transaction has the whole database.
    free = (
        select(Channel.name)
        .where(
            Channel.name.in_([name for name, _ in seen]),
            tuple_(Channel.name, Channel.epoch, Channel.top_offset).in_(as_seen),
            _is_empty(older_than),
        )
        .order_by(Channel.name)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    gone = delete(Channel).where(Channel.name.in_(select(free.c.name))).returning(Channel.name)
    # The driver of SQLite counts no rows of a statement that begins with WITH.
    return len(session.connection().execute(gone).all())


def find_fading(
    session: Session, channels: Collection[str], *, older_than: timedelta
) -> Sequence[str]:
    """Those of `channels` that exist, and whose newest publication is older than `older_than`, as
    is the last `keep`."""
    query = select(Channel.name).where(Channel.name.in_(channels), _is_fading(older_than))
    return session.scalars(query.order_by(Channel.name)).all()


def keep(session: Session, channels: Collection[str], *, waits: bool = False) -> None:
    """Have `channels` kept for as long as if something was published to them now. Unless `waits`,
    those that a writer holds are left out: something is published to them."""
    free = (
        select(Channel.name)
        .where(Channel.name.in_(channels))
        .order_by(Channel.name)
        .with_for_update(key_share=True, skip_locked=not waits)
        .cte("free")
    )
    session.connection().execute(
        update(Channel)
        .where(Channel.name.in_(select(free.c.name)))
        .values(kept_at=datetime.now(UTC))
    )


def _is_empty(older_than: timedelta) -> ColumnElement[bool]:
    publication = exists().where(PublicationRow.channel == Channel.name)
    return and_(~publication, _is_not_kept(older_than))


def _is_fading(older_than: timedelta) -> ColumnElement[bool]:
    newest = exists().where(
        PublicationRow.channel == Channel.name,
        PublicationRow.offset == Channel.top_offset,
        PublicationRow.created_at >= datetime.now(UTC) - older_than,
    )
    return and_(~newest, _is_not_kept(older_than))


def _is_not_kept(older_than: timedelta) -> ColumnElement[bool]:
    return or_(Channel.kept_at.is_(None), Channel.kept_at < datetime.now(UTC) - older_than)
