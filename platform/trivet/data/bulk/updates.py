"""UPDATE of many rows: one statement for all rows of a table that a flush changes alike.

SQLAlchemy executes a statement for each row that has a version, because some databases do not
count the rows of many. Ours do, so `update_together` has it execute them as many, as it does for
rows without a version, and compare the count.

On PostgreSQL `execute_at_once` then makes one statement of them. Rows are locked by their keys in
the order in which SQLAlchemy would update them. Where the order of the updates itself could matter
(a column of a unique constraint or of the key changes) they stay one after the other.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import Enum
from functools import wraps
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import persistence

from trivet.data.bulk.columns import PARAMETER, arrays_of, cast_to_column, numbered, unnested
from trivet.data.session import TrivetSession

FEWEST = 4
"""Rows for which one statement is worth its text."""

_GIVEN, _LOCKED = "trivet_given", "trivet_locked"

_UNCHANGING = frozenset(
    {type(None), str, bytes, bool, int, float, Decimal, UUID}
    | {dt.datetime, dt.date, dt.time, dt.timedelta}
)

Record = tuple[Any, ...]
"""A row to update, as SQLAlchemy has it: state, values by attribute, parameters, mapper,
connection, expressions, and two flags."""

UpdateMany = Callable[[Any, Any, Any, Sequence[Record]], bool]
"""Updates several rows of a table in a flush; False if that is left to SQLAlchemy."""

_made: WeakKeyDictionary[Any, set[Any]] = WeakKeyDictionary()
"""The tables for whose updates the mapper of a base class has a statement."""


class _Unversioned:
    """A mapper without its version, for SQLAlchemy's question whether to ask for each row. The
    statement, which was made before, compares the versions all the same."""

    version_id_col = None

    def __init__(self, mapper: Any) -> None:
        self._mapper = mapper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mapper, name)


def update_together(update_many: UpdateMany) -> None:
    """Have the flushes of our sessions execute the updates of versioned rows as many, or leave them
    to `update_many`, if it can."""
    emit = persistence._emit_update_statements  # noqa: SLF001  # pinned by a test; nothing public lies between the rows and their statements
    if not hasattr(emit, "__wrapped__"):
        persistence._emit_update_statements = _together(emit, update_many)  # noqa: SLF001  # as just said


def _together(emit: Callable[..., None], update_many: UpdateMany) -> Callable[..., None]:
    @wraps(emit)
    def emit_together(
        base: Any, flush: Any, mapper: Any, table: Any, update: Iterable[Record], **options: Any
    ) -> None:
        if options or not isinstance(flush.session, TrivetSession):
            emit(base, flush, mapper, table, update, **options)
            return
        records = list(update)
        if len(records) >= FEWEST and _is_counted(mapper, table, records):
            records = _alike(records)
            if update_many(base, flush, table, records):
                return
            if table not in _made.setdefault(base, set()):
                # SQLAlchemy keeps the statement of the first, which compares the version.
                emit(base, flush, mapper, table, records[:1])
                _made[base].add(table)
                del records[:1]
            mapper = _Unversioned(mapper)
        emit(base, flush, mapper, table, records)

    return emit_together


def _is_counted(mapper: Any, table: Any, records: Sequence[Record]) -> bool:
    """Whether the rows have a version that Python counts, on a database that counts rows."""
    version = mapper.version_id_col
    return (
        version is not None
        and version.table is table
        and mapper.version_id_generator is not False
        and records[0][4].dialect.supports_sane_multi_rowcount
    )


def _alike(records: list[Record]) -> list[Record]:
    """`records` with the same parameters in each: the present values of columns that others
    change. Without a version that would undo what another transaction has written meanwhile; with
    it such a row is refused."""
    every = {name for _, _, parameters, *_ in records for name in parameters}
    if all(len(parameters) == len(every) for _, _, parameters, *_ in records):
        return records
    return [_filled(record, every) for record in records]


def _filled(record: Record, every: set[str]) -> Record:
    _, present, parameters, mapper, *_ = record
    missing = every - parameters.keys()
    named = {name: _attribute_of(mapper, name) for name in missing}
    if all(_is_as_loaded(present.get(attribute, present)) for attribute in named.values()):
        parameters.update({name: present[attribute] for name, attribute in named.items()})
    return record


def _is_as_loaded(value: Any) -> bool:
    """Whether nobody can have changed the inside of `value`, which would be written and be in no
    entry of the trail. The dictionary of the present values stands for one that is not there."""
    return type(value) in _UNCHANGING or isinstance(value, Enum)


def _attribute_of(mapper: Any, column: str) -> str:
    found = mapper.local_table.columns.get(column)
    return "" if found is None else str(mapper.get_property_by_column(found).key)


def execute_at_once(
    cursor: Any, statement: str, parameters: Sequence[dict[str, Any]], context: Any
) -> bool | None:
    """Execute many updates of a flush as one. A listener of ``do_executemany``.

    Returns:
        True if that is done; None has SQLAlchemy do it.
    """
    if not context.isupdate or len(parameters) < FEWEST:
        return None
    if context.execution_options.get("compiled_cache") is None:
        return None
    text = _text_of(statement, context)
    if text is None:
        return None
    arrays = arrays_of(list(parameters[0]), parameters, context.compiled)
    if arrays is None:
        return None
    cursor.execute(text, arrays)
    return True


def _text_of(statement: str, context: Any) -> str | None:
    """The statement for many rows, which is made once of the one for each."""
    compiled = context.compiled
    known = vars(compiled).setdefault("trivet_text", {})
    if statement not in known:
        parts = compose_update(statement, compiled)
        known[statement] = parts and " ".join(parts)
    text: str | None = known[statement]
    return text


def compose_update(statement: str, compiled: Any) -> tuple[str, str] | None:
    """The update of many rows that does what `statement` does for each: its WITH, and the rest.
    None if there is none."""
    table = compiled.statement.table
    names = list(dict.fromkeys(PARAMETER.findall(statement)))
    changes, _, condition = statement.partition(" WHERE ")
    is_plain = not compiled.effective_returning and " WHERE " not in condition
    if not is_plain or not isinstance(table, Table) or compiled.escaped_bind_names:
        return None
    if _is_ordered(table, PARAMETER.findall(changes)):
        return None
    places = {name: f"{_GIVEN}.p{number}" for number, name in enumerate(names)}

    def place(text: str) -> str:
        return cast_to_column(text, places, compiled)

    keys = ", ".join(
        f"{compiled.preparer.format_table(table)}.{compiled.preparer.format_column(column)}"
        for column in table.primary_key
    )
    name, found = compiled.preparer.format_table(table), place(condition)
    alone = compiled.preparer.format_table(table, use_schema=False)
    return (
        f"WITH {_GIVEN} AS (SELECT * FROM {unnested(names)} AS given ({numbered(names)})), "  # noqa: S608  # of the text of a statement
        f"{_LOCKED} AS MATERIALIZED (SELECT 1 FROM {name} JOIN {_GIVEN} ON {found} "
        f"ORDER BY {keys} FOR NO KEY UPDATE OF {alone})",
        f"{place(changes)} FROM {_GIVEN} WHERE (SELECT count(*) FROM {_LOCKED}) >= 0 AND {found}",  # noqa: S608  # as above
    )


def _is_ordered(table: Table, changed: Iterable[str]) -> bool:
    """Whether one of the columns `changed` is one that no two rows may share."""
    unique: set[Any] = set(table.primary_key)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint | ExcludeConstraint):
            unique.update(constraint.columns)
    for index in table.indexes:
        if index.unique:
            unique.update(index.expressions)
    names = {each.key for each in unique if isinstance(each, Column)}
    # The columns of an expression need not be known.
    return len(names) < len(unique) or not names.isdisjoint(changed)
