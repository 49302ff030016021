"""What a row rule reads of other tables, as it was before rows of theirs went with the row itself.

The condition of a rule stays as it is. A common table expression with the name of the table stands
in front of the statement and hides it: it has the rows of the table and those that lie beside the
publication (`trivet.events.gone_rows`). So it is asked as of the transaction's begin, as far as
rows were deleted.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Table,
    Text,
    cast,
    column,
    func,
    null,
    select,
    table,
    true,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Session
from sqlalchemy.sql.selectable import CTE, Alias, FromClause

from trivet.events.outbox import PublicationRow
from trivet.events.stored_rows import holds_document, is_storable

_PUBLICATION: Any = PublicationRow.__table__


@dataclass(frozen=True, slots=True)
class Read:
    """What a condition reads beside the row that it is about.

    Attributes:
        tables: The tables by their keys.
        columns: The names of the columns that are read of each.
        is_plain: Whether names can be hidden from it, because it gives none itself.
    """

    tables: dict[str, Table] = field(default_factory=dict)
    columns: dict[str, set[str]] = field(default_factory=dict)
    is_plain: bool = True

    @classmethod
    def by(cls, condition: ColumnElement[bool], row: FromClause) -> "Read":
        """What `condition` reads, which is about `row`."""
        elements = list(_elements(condition, row))
        read = cls(is_plain=not any(isinstance(each, CTE) for each in elements))
        for element in elements:
            match element:
                case Table():
                    read.tables[element.key] = element
                case Column():
                    read.columns.setdefault(_table_key(element), set()).add(element.name)
                case _:
                    pass
        return read


def _table_key(known: Column[Any]) -> str:
    """The key of the table that a column is of, be it by an alias."""
    owner: Any = known.table
    while isinstance(owner, Alias):
        owner = owner.element
    return owner.key if isinstance(owner, Table) else ""


def _elements(condition: ColumnElement[bool], row: FromClause) -> Iterator[Any]:
    """The elements of `condition` without those of `row`."""
    left: list[Any] = [condition]
    while left:
        element = left.pop()
        if element is not row:
            yield element
            left += element.get_children()


@dataclass(slots=True)
class Gone:
    """Publications that have the same gone rows beside them: one of them, `holder`, is read.
    `tables` are those of the rows, each with the columns that are known; None where no row is."""

    holder: int
    offsets: list[int] = field(default_factory=list)
    tables: dict[str, frozenset[str] | None] = field(default_factory=dict)

    def concerns(self, read: Read) -> bool:
        """Whether rows are gone of what was read."""
        return not self.tables.keys().isdisjoint(read.tables)

    def is_known_to(self, read: Read) -> bool:
        """Whether all of these rows can be put back."""
        return read.is_plain and all(
            known is not None
            and read.tables[name].schema is None  # such a name cannot be hidden
            and read.columns.get(name, set()) <= known
            for name, known in self.tables.items()
            if name in read.tables
        )


def find_gone(session: Session, channel: str, offsets: Collection[int]) -> Iterable[Gone]:
    """The gone rows of the publications with `offsets`, by their tables and columns."""
    columns = _PUBLICATION.c
    if session.get_bind().dialect.name == "sqlite":
        each = func.json_each(columns.rows_gone).table_valued("key", "value", name="gone")
        names: Any = func.json_extract(each.c.value, "$.columns")
    else:
        rows = func.jsonb_each(cast(columns.rows_gone, JSONB))
        each = rows.table_valued("key", column("value", JSONB), name="gone")
        names = cast(each.c.value["columns"], Text)
    holder = func.min(columns.offset).over(partition_by=columns.rows_gone)
    query = (
        select(holder, columns.offset, each.c.key, names)
        .select_from(_PUBLICATION.join(each, true()))
        .where(columns.channel == channel, columns.offset.in_(offsets))
    )
    found: dict[int, Gone] = {}
    for first, offset, name, known in session.connection().execute(query):
        gone = found.setdefault(first, Gone(first))
        if offset not in gone.offsets:
            gone.offsets.append(offset)
        gone.tables[name] = None if known is None else frozenset(msgspec.json.decode(known))
    return found.values()


def hiding(tables: Iterable[Table], channel: str, holder: int, dialect: Dialect) -> Sequence[CTE]:
    """The expressions that hide `tables`, with the gone rows of the publication `holder`."""
    return [_hiding(each, channel, holder, dialect) for each in tables]


def _hiding(hidden: Table, channel: str, holder: int, dialect: Dialect) -> CTE:
    is_sqlite = dialect.name == "sqlite"
    columns = list(hidden.c)
    # SQLite takes the name inside of the expression for the expression itself.
    real: Any = table(
        hidden.name,
        *(column(each.name, each.type) for each in columns),
        schema="main" if is_sqlite else None,
    )
    make = _gone_on_sqlite if is_sqlite else _gone_on_postgresql
    gone = make(hidden, dialect).where(
        _PUBLICATION.c.channel == channel, _PUBLICATION.c.offset == holder
    )
    every = union_all(select(*(real.c[each.name] for each in columns)), gone)
    # Written where it is read, so that indexes of the table serve: else it would be copied whole.
    return every.cte(hidden.name).prefix_with("NOT MATERIALIZED")


def _gone_on_postgresql(hidden: Table, dialect: Dialect) -> Any:
    kept = [each for each in hidden.c if is_storable(each, dialect)]
    documents = {each.name for each in kept if holds_document(each, dialect)}
    rows = func.jsonb_to_recordset(cast(_PUBLICATION.c.rows_gone, JSONB)[hidden.key]["rows"])
    read = rows.table_valued(
        *(column(each.name, Text() if each.name in documents else each.type) for each in kept)
    ).render_derived(name="gone_row", with_types=True)
    values = [
        cast(null() if each not in kept else read.c[each.name], each.type)
        if each not in kept or each.name in documents
        else read.c[each.name]
        for each in hidden.c
    ]
    return select(*values).select_from(_PUBLICATION.join(read, true()))


def _gone_on_sqlite(hidden: Table, _dialect: Dialect) -> Any:
    rows = func.json_extract(_PUBLICATION.c.rows_gone, f'$."{hidden.key}".rows')
    each = func.json_each(rows).table_valued(column("value", JSON), name="gone_row")
    value: Any = type_coerce(each.c.value, Text())
    values = [
        type_coerce(func.json_extract(value, f'$."{known.name}"'), known.type) for known in hidden.c
    ]
    return select(*values).select_from(_PUBLICATION.join(each, true()))
