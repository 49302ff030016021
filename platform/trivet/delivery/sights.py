"""What somebody sees of publications of a live class: the row rule, asked about the row as it was.

The condition is the one that lists ask. Here its columns are those of the row that lies beside the
publication (`trivet.events.stored_rows`), before the change and after it, and only the database
reads that row. Whatever else the condition reads is as it is now: other tables, aliases of the same
table, and a subquery that reads the table for itself (`trivet.delivery.row_conditions`). But rows
that went in the same transaction are still there for who saw the row before
(`trivet.delivery.gone_rows`); where they are not known, nobody can say who did.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    CursorResult,
    Select,
    Text,
    case,
    cast,
    column,
    func,
    literal,
    select,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.sql.selectable import CTE, FromClause

from trivet.delivery.gone_rows import Read, find_gone, hiding
from trivet.delivery.row_conditions import about_row, attributes_read
from trivet.errors import ConfigurationError
from trivet.events.live_classes import LiveFeed, as_delete, as_insert
from trivet.events.outbox import PublicationRow, StoredPublication
from trivet.events.stored_rows import holds_document, storable

CONDITIONS_AT_ONCE = 50
"""How many conditions one statement asks."""
_ROW = "changed_row"
_OFFSET, _IS_AFTER, _HAS_GONE = "told_offset", "told_is_after", "told_has_gone"


@dataclass(frozen=True, slots=True)
class Sight:
    """Whether somebody saw the row before the change, and sees it after it. Where nobody can say
    whether they saw it before (`is_known`), they get nothing, and have to read their rows anew."""

    before: bool = False
    after: bool = False
    is_known: bool = True

    def of(self, publication: StoredPublication) -> StoredPublication | None:
        """The publication for somebody with this sight; None if they get none."""
        if self.before == self.after:
            return publication if self.before else None
        # An insert has no row before, and a delete none after: they stay what they are.
        change = as_insert if self.after else as_delete
        return replace(publication, data=change(publication.data))


Sights = Mapping[int, Sight]
"""By offset. A publication that has none cannot be judged."""


def read_sights(
    session: Session,
    feed: LiveFeed,
    conditions: Sequence[ColumnElement[bool]],
    *,
    first: int,
    last: int,
) -> list[Sights]:
    """What each of `conditions` lets see of the publications from the offset `first` to `last`.

    Raises:
        ConfigurationError: A condition reads what is not kept of a row.
    """
    found: list[Sights] = []
    dialect = session.get_bind().dialect
    for start in range(0, len(conditions), CONDITIONS_AT_ONCE):
        some = conditions[start : start + CONDITIONS_AT_ONCE]
        asked = _Asked(feed, dialect, some, first, last)
        rows = asked.ask(session)
        sights = _sights(rows, len(some))
        gone = {offset for offset, _, has_gone, *_ in rows if has_gone}
        if gone and any(each.tables for each in asked.reads):
            _look_back(session, asked, gone, sights)
        found += sights
    return found


def _look_back(
    session: Session, asked: "_Asked", offsets: Collection[int], sights: list[dict[int, Sight]]
) -> None:
    """Correct in `sights` who saw the row before, where rows are gone that a condition reads."""
    channel = asked.feed.channel
    for gone in find_gone(session, channel, offsets):
        concerned = {n: each for n, each in enumerate(asked.reads) if gone.concerns(each)}
        known = [n for n, each in concerned.items() if gone.is_known_to(each)]
        for number in concerned.keys() - known:
            for offset in gone.offsets:
                sights[number][offset] = Sight(is_known=False)
        if not known:
            continue
        tables = {
            key: each
            for n in known
            for key, each in concerned[n].tables.items()
            if key in gone.tables
        }
        hides = hiding(tables.values(), channel, gone.holder, asked.dialect)
        again = _sights(asked.ask_back(session, known, gone.offsets, hides), len(known))
        for number, seen in zip(known, again, strict=True):
            for offset, sight in seen.items():
                sights[number][offset] = replace(sights[number][offset], before=sight.before)


def _require_one_row(feed: LiveFeed, result: CursorResult[Any]) -> None:
    """Raise if a subquery has the row in a FROM of its own: it would see the rows of all
    publications, where one is meant."""
    text = str(result.context.compiled)
    if text.count(f"AS {_ROW}") != 1:
        result.close()
        raise ConfigurationError(
            "live",
            f"{feed.__name__}: in a row rule of {feed.model.__name__} it is not clear of which row "
            "a subquery speaks. Cure: correlate it with the class, or select from an alias.",
        )


def _sights(rows: Sequence[Any], count: int) -> list[dict[int, Sight]]:
    sides: dict[int, dict[bool, Sequence[Any]]] = {}
    for offset, is_after, _, *flags in rows:
        sides.setdefault(offset, {})[bool(is_after)] = flags
    nothing = [0] * count
    return [
        {
            offset: Sight(
                bool(known.get(False, nothing)[number]), bool(known.get(True, nothing)[number])
            )
            for offset, known in sides.items()
        }
        for number in range(count)
    ]


class _Asked:
    """Conditions about the rows of the publications from the offset `first` to `last`."""

    def __init__(
        self,
        feed: LiveFeed,
        dialect: Dialect,
        conditions: Sequence[ColumnElement[bool]],
        first: int,
        last: int,
    ) -> None:
        self.feed = feed
        self.dialect = dialect
        is_sqlite = dialect.name == "sqlite"
        told = _told(feed.channel, first, last, is_sqlite=is_sqlite)
        make = _row_on_sqlite if is_sqlite else _row_on_postgresql
        self._row = make(told, _read_by(conditions, feed.mapper, dialect), dialect)
        self._conditions = [about_row(each, feed.mapper, self._row) for each in conditions]

    @cached_property
    def reads(self) -> Sequence[Read]:
        """What each condition reads beside the row."""
        return [Read.by(each, self._row) for each in self._conditions]

    def ask(self, session: Session) -> Sequence[Any]:
        """The answers of all conditions about all rows."""
        return self._execute(session, self._select(self._conditions))

    def ask_back(
        self,
        session: Session,
        numbers: Iterable[int],
        offsets: Collection[int],
        hides: Iterable[CTE],
    ) -> Sequence[Any]:
        """The answers of some conditions about rows before the change, with tables hidden."""
        query = self._select([self._conditions[number] for number in numbers])
        row = self._row.c
        query = query.where(row[_IS_AFTER] == 0, row[_OFFSET].in_(offsets))
        return self._execute(session, query.add_cte(*hides))

    def _select(self, conditions: Iterable[ColumnElement[bool]]) -> Select[Any]:
        flags = [
            case((each, 1), else_=0).label(f"sees_{number}")
            for number, each in enumerate(conditions)
        ]
        row = self._row.c
        columns = row[_OFFSET], row[_IS_AFTER], row[_HAS_GONE]
        return select(*columns, *flags).select_from(self._row)

    def _execute(self, session: Session, query: Select[Any]) -> Sequence[Any]:
        result = session.connection().execute(query)
        _require_one_row(self.feed, result)
        return result.all()


def _told(channel: str, first: int, last: int, *, is_sqlite: bool) -> FromClause:
    """The rows of the publications, one before the change and one after it."""
    told: Any = PublicationRow.__table__
    columns = told.c
    after: Any = columns.row_after
    before: Any
    if is_sqlite:
        before = func.json_patch(func.coalesce(after, "{}"), columns.row_before)
    else:
        after = cast(columns.row_after, JSONB)
        changed = cast(columns.row_before, JSONB)
        before = cast(func.coalesce(columns.row_after, "{}"), JSONB).concat(changed)
    among = (columns.channel == channel, columns.offset.between(first, last))
    has_gone = columns.rows_gone.is_not(None).label(_HAS_GONE)
    sides = [
        select(
            columns.offset.label(_OFFSET),
            literal(flag).label(_IS_AFTER),
            has_gone,
            row.label("row"),
        ).where(*among, kept.is_not(None))
        for flag, row, kept in ((1, after, columns.row_after), (0, before, columns.row_before))
    ]
    return union_all(*sides).subquery("told")


_Kept = Mapping[str, Column[Any]]


def _read_by(
    conditions: Sequence[ColumnElement[bool]], mapper: Mapper[Any], dialect: Dialect
) -> _Kept:
    """The kept columns that `conditions` read, one at least."""
    kept = storable(mapper, dialect)
    wanted = {name for each in conditions for name in attributes_read(each, mapper)}
    found = {key: each for key, each in kept.items() if key in wanted}
    return found or dict([next(iter(kept.items()))])


def _row_on_postgresql(told: FromClause, kept: _Kept, dialect: Dialect) -> FromClause:
    documents = {key for key, each in kept.items() if holds_document(each, dialect)}
    types = {key: Text() if key in documents else each.type for key, each in kept.items()}
    record = func.jsonb_to_record(told.c.row).table_valued(
        *(column(key, kind) for key, kind in types.items())
    )
    read = record.render_derived(name="kept_row", with_types=True)
    columns = [
        (cast(read.c[key], each.type) if key in documents else read.c[key]).label(key)
        for key, each in kept.items()
    ]
    return _among(told, columns, told.join(read, true()))


def _row_on_sqlite(told: FromClause, kept: _Kept, _dialect: Dialect) -> FromClause:
    columns = [
        type_coerce(func.json_extract(told.c.row, f'$."{key}"'), each.type).label(key)
        for key, each in kept.items()
    ]
    return _among(told, columns, told)


def _among(
    told: FromClause, columns: Sequence[ColumnElement[Any]], source: FromClause
) -> FromClause:
    query = select(told.c[_OFFSET], told.c[_IS_AFTER], told.c[_HAS_GONE], *columns)
    return query.select_from(source).subquery(_ROW)
