"""Appending to the outbox: the rows of publications, each with the next offset of its channel.

The channels are locked here, late and in sorted order (`trivet.events.outbox`), and by one
statement if the database can. Inside a commit the ids of the rows follow the order in which the
publications were made. So the order of ids is the order of offsets in each channel, also for a
reader that follows the table by `id`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from trivet.array_text import numbers, texts
from trivet.events.outbox import Channel, Position, PublicationRow, new_epoch
from trivet.fixed_statements import Asked, FixedStatement, Steps, take


class NewPublication(NamedTuple):
    """A publication that is to be appended.

    Attributes:
        channel: The name of its channel.
        data: Its JSON.
        tags: A JSON object of strings, by which subscribers filter; None if it has none.
        publisher: A JSON object that describes the client that published it, with the keys of the
            Centrifuge protocol's ``ClientInfo`` (``user``, ``client``, …); None for a change of
            our own tables.
        idempotency_key: A name of at most 128 characters that a channel accepts once for as long
            as its history is kept; None if the publication may be repeated. A second one is
            refused by the database: it raises IntegrityError in `append`, and the transaction is
            over. So ask `outbox.find_by_key` first, and once more after this error: another
            process may have been faster.
        row_before: The columns of the row before the change, as JSON; of an update those that it
            changes. None unless a row rule is asked about it (`trivet.events.live_classes`).
        row_after: The columns of the row after the change; None for a delete.
        rows_gone: The rows that the transaction deleted, by their tables, as JSON
            (`trivet.events.gone_rows`).
    """

    channel: str
    data: str
    tags: str | None = None
    publisher: str | None = None
    idempotency_key: str | None = None
    row_before: str | None = None
    row_after: str | None = None
    rows_gone: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it has nothing but its data, as most have: this needs shorter statements."""
        if self.row_before is not None or self.row_after is not None:
            return False
        return self.tags is None and self.publisher is None and self.idempotency_key is None


def append(session: Session, publications: Sequence[NewPublication]) -> dict[str, Position]:
    """Append `publications`, oldest first, and return each channel's new position.

    It has to be the last act of a transaction: the channels stay locked until it ends.
    """
    return append_on(session.connection(), publications)


def append_on(
    connection: Connection, publications: Sequence[NewPublication]
) -> dict[str, Position]:
    """The same as `append`, on the connection of the transaction."""
    if connection.dialect.name == "postgresql":
        return take(connection, appending(publications))
    return _append_in_turn(connection, publications)


def appending(publications: Sequence[NewPublication]) -> Steps[dict[str, Position]]:
    """The same as `append`, as steps of PostgreSQL's."""
    if len(publications) == 1 and publications[0].is_plain:
        return _append_one(publications[0])
    return _append_at_once(publications)


def appending_and_finding(
    publication: NewPublication, query: str
) -> Steps[tuple[Position, Sequence[Any] | None]]:
    """Append one plain publication, and run `query` in the same round trip. For PostgreSQL.

    `query` may lock rows: it runs when the channel is locked, as if it came second.

    Returns:
        The channel's new position, and the row that `query` found; None if it found none.
    """
    ((epoch, top, is_found, *found),) = yield Asked(_append_one_and(query), _values_of(publication))
    return Position(epoch, top), found if is_found else None


def appending_with(
    publication: NewPublication, parts: str, values: dict[str, Any]
) -> Steps[Position]:
    """Append one plain publication, as the last act of a transaction, in one statement with
    `parts` of its WITH that write something else. For PostgreSQL."""
    values = _values_of(publication) | values
    ((epoch, top),) = yield Asked(_append_one_with(parts), values, is_last=True)
    return Position(epoch, top)


def _append_one(publication: NewPublication) -> Steps[dict[str, Position]]:
    ((epoch, top),) = yield Asked(_APPEND_ONE, _values_of(publication))
    return {publication.channel: Position(epoch, top)}


def _values_of(publication: NewPublication) -> dict[str, Any]:
    name, data = publication.channel, publication.data
    return {"name": name, "epoch": new_epoch(), "data": data, "now": datetime.now(UTC)}


def _append_at_once(publications: Sequence[NewPublication]) -> Steps[dict[str, Position]]:
    channels = [each.channel for each in publications]
    counts = Counter(channels)
    names, left = sorted(counts), dict(counts)
    backs = []
    for channel in channels:
        left[channel] -= 1
        backs.append(left[channel])
    values = {
        "names": texts(names),
        "epochs": texts([new_epoch() for _ in names]),
        "counts": numbers(counts[name] for name in names),
        "channels": texts(channels),
        "backs": numbers(backs),
        "data": texts([each.data for each in publications]),
        "now": datetime.now(UTC),
    }
    statement = _APPEND
    if not all(each.is_plain for each in publications):
        statement = _APPEND_WHOLE
        for column in _EXTRA:
            values[column] = texts([getattr(each, column) for each in publications])
    found = yield Asked(statement, values)
    return {name: Position(epoch, top) for name, epoch, top in found}


def _append_in_turn(
    connection: Connection, publications: Sequence[NewPublication]
) -> dict[str, Position]:
    counts: Mapping[str, int] = Counter(each.channel for each in publications)
    reached = {}
    for name in sorted(counts):
        values = {"name": name, "epoch": new_epoch(), "count": counts[name]}
        reached[name] = Position(*connection.execute(_RAISE, values).one())
    following = {name: position.offset - counts[name] for name, position in reached.items()}
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for each in publications:
        following[each.channel] += 1
        row = {"offset": following[each.channel], "created_at": now}
        rows.append(row | {name: getattr(each, name) for name in _COLUMNS})
    connection.execute(_TELL, rows)
    return reached


_EXTRA = ("tags", "publisher", "idempotency_key", "row_before", "row_after", "rows_gone")
_COLUMNS = ("channel", "data", *_EXTRA)

# Most transactions publish once, and need no arrays for that.
_RAISE_AND_TELL = """
    WITH raised AS (
        INSERT INTO trivet_channel (name, epoch, top_offset) VALUES (%(name)s, %(epoch)s, 1)
        ON CONFLICT (name) DO UPDATE SET top_offset = trivet_channel.top_offset + 1
        RETURNING name, epoch, top_offset
    ), told AS (
        INSERT INTO trivet_publication (channel, "offset", data, created_at)
        SELECT name, top_offset, CAST(%(data)s AS text), CAST(%(now)s AS timestamptz) FROM raised
    )"""
_RAISED = "SELECT raised.epoch AS channel_epoch, raised.top_offset"
_APPEND_ONE = FixedStatement(f"{_RAISE_AND_TELL} {_RAISED} FROM raised")


@cache
def _append_one_with(parts: str) -> FixedStatement:
    return FixedStatement(f"{_RAISE_AND_TELL}, {parts} {_RAISED} FROM raised")


@cache
def _append_one_and(query: str) -> FixedStatement:
    # LATERAL by its reference to `raised`: the row of the channel is locked before any of `query`.
    lateral = f"SELECT found.* FROM ({query}) AS found WHERE raised.top_offset > 0"  # noqa: S608  # a constant of the trail
    return FixedStatement(
        f"{_RAISE_AND_TELL} {_RAISED}, also.id IS NOT NULL AS is_found, also.* "
        f"FROM raised LEFT JOIN LATERAL ({lateral}) AS also ON true"
    )


def _append_statement(extra: Sequence[str] = ()) -> FixedStatement:
    # Channels are locked by name here too, because `names` is sorted. `back` says how many
    # publications of the same channel come after one. Without the last ORDER BY the ids would
    # come as the join brings the rows, which changes with the plan.
    names = "".join(f", {name}" for name in extra)
    message = "".join(f", message.{name}" for name in extra)
    arrays = "".join(f", CAST(%({name})s AS text[])" for name in extra)
    return FixedStatement(f"""
    WITH raised AS (
        INSERT INTO trivet_channel (name, epoch, top_offset)
        SELECT given.name, given.epoch, given.count
        FROM unnest(
            CAST(%(names)s AS varchar[]), CAST(%(epochs)s AS varchar[]),
            CAST(%(counts)s AS bigint[])
        ) WITH ORDINALITY AS given (name, epoch, count, number)
        ORDER BY given.number
        ON CONFLICT (name) DO UPDATE
        SET top_offset = trivet_channel.top_offset + excluded.top_offset
        RETURNING name, epoch, top_offset
    ), told AS (
        INSERT INTO trivet_publication (channel, "offset", created_at, data{names})
        SELECT name, top_offset - back, CAST(%(now)s AS timestamptz), message.data{message}
        FROM unnest(
            CAST(%(channels)s AS varchar[]), CAST(%(backs)s AS bigint[]),
            CAST(%(data)s AS text[]){arrays}
        ) WITH ORDINALITY AS message (name, back, data{names}, number)
        JOIN raised USING (name)
        ORDER BY message.number
    )
    SELECT name, epoch, top_offset FROM raised""")  # noqa: S608  # the names of our own columns


# Written once: to build a statement costs more than to run it.
_APPEND = _append_statement()
_APPEND_WHOLE = _append_statement(_EXTRA)
_RAISE = (
    sqlite.insert(Channel)
    .values(name=bindparam("name"), epoch=bindparam("epoch"), top_offset=bindparam("count"))
    .on_conflict_do_update(
        index_elements=["name"], set_={"top_offset": Channel.top_offset + bindparam("count")}
    )
    .returning(Channel.epoch, Channel.top_offset)
)
_TELL = insert(PublicationRow)
