"""The entries of a flush: each row before it and after it.

The old row is noted just before it is updated or deleted (`trivet.capture.old_values`);
`entries_of` runs after the flush. Values that the session does not know then (an expression that
the database evaluates, a server's default) are read from the database in the same transaction: an
incomplete entry could not be relied on.

A column or table declares exceptions in its ``info``:

* ``{"audit": "redacted"}`` or ``{"secret": True}``: the change is noted, the values are not;
* ``{"audit": "ignored"}``: nothing is noted.

A version counter is ignored by itself: it counts the entries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from operator import eq
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Table
from sqlalchemy.orm import InstanceState, Mapper, RelationshipProperty
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.audit.entry import Entry, Field, encode_changes, plain
from trivet.capture.old_values import OldRow, fills_itself, load, read
from trivet.capture.recorder import Recorder
from trivet.events.feeds import Kind
from trivet.models.row_keys import key_text
from trivet.models.secret_columns import is_secret
from trivet.models.views import is_view

POLICY = "audit"
IGNORED = "ignored"

Row = Mapping[str, Any]
Connect = Callable[[], Connection]


@dataclass(frozen=True, slots=True)
class AuditedColumn:
    """A column as the trail sees it. `fills_itself`: an update may write it by itself;
    `is_generated`: the database may set its value on insert; `is_equal` compares two values."""

    key: str
    column: ColumnElement[Any]
    is_redacted: bool
    fills_itself: bool
    is_generated: bool
    is_equal: Callable[[Any, Any], Any]


def is_audited(table: Any) -> bool:
    """Whether changes of rows of `table` are noted. Those of a view are changes of other rows."""
    return isinstance(table, Table) and table.info.get(POLICY) != IGNORED and not is_view(table)


@cache
def table_of(mapper: Mapper[Any]) -> Table | None:
    """The table under which rows of a mapped class are noted: its own, or, where nothing is noted
    of that, the next one of the classes that it inherits from. None if nothing is noted."""
    tables = (each.local_table for each in _lineage(mapper))
    return next((each for each in tables if isinstance(each, Table) and is_audited(each)), None)


def _lineage(mapper: Mapper[Any]) -> Iterator[Mapper[Any]]:
    """The classes whose tables a row of `mapper` has a part in, its own first."""
    for each in mapper.iterate_to_root():
        yield each
        if each.concrete:
            return


@cache
def columns_of(mapper: Mapper[Any]) -> tuple[AuditedColumn, ...]:
    """The audited columns of a mapped class, in their order."""
    found = []
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        is_ours = isinstance(column, Column) and column is not mapper.version_id_col
        if is_ours and is_audited(column.table) and column.info.get(POLICY) != IGNORED:
            found.append(
                AuditedColumn(
                    attribute.key,
                    column,
                    is_redacted=is_secret(column),
                    fills_itself=fills_itself(column),
                    is_generated=column.server_default is not None,
                    is_equal=_equality_of(column.type),
                )
            )
    return tuple(found)


def _equality_of(kind: TypeEngine[Any]) -> Callable[[Any, Any], Any]:
    """How two values of a type are compared, without asking every type beneath it each time."""
    compare = type(kind).compare_values
    if compare is TypeDecorator.compare_values:
        decorated: Any = kind
        return _equality_of(decorated.impl_instance)
    return eq if compare is TypeEngine.compare_values else kind.compare_values


@cache
def associations_of(mapper: Mapper[Any]) -> tuple[RelationshipProperty[Any], ...]:
    """The relationships whose links are rows of a table without a class of its own."""
    return tuple(
        relationship
        for relationship in mapper.relationships
        if relationship.secondary is not None
        and not relationship.viewonly
        and is_audited(relationship.secondary)
    )


def entries_of(
    connect: Connect,
    written: Iterable[tuple[InstanceState[Any], Kind]],
    recorder: Recorder,
) -> Iterator[Entry]:
    """The entries of a flush, in the order of `written`; `recorder` has the old rows. `connect` is
    called if there are values that only the database knows."""
    for state, kind in written:
        table = table_of(state.mapper)
        if table is not None:
            changes = _changes(connect, state, kind, recorder.old_row(state))
            if changes or kind != "update":
                mapper, instance = state.mapper, state.obj()
                key = state.key[1] if state.key else mapper.primary_key_from_instance(instance)
                yield Entry(str(table.name), key_text(key), kind, encode_changes(changes))


def _changes(
    connect: Connect, state: InstanceState[Any], kind: Kind, row: OldRow
) -> dict[str, Field]:
    old, changed = row.values, row.changed
    columns = columns_of(state.mapper)
    if kind == "update":
        # The others are what they were: most of a row is.
        is_set = changed.union(state.committed_state)
        columns = tuple(each for each in columns if each.key in is_set or each.fills_itself)
    new = {} if kind == "delete" else _present(connect, state, kind, old, columns)
    changes: dict[str, Field] = {}
    for column in columns:
        key = column.key
        before, after = old.get(key), new.get(key)
        if before is after:  # the common case, for which no type has to be asked
            continue
        field = _field(column, before, after, kind)
        if field:
            changes[key] = field
    for relationship in associations_of(state.mapper):
        field = _links(state, relationship, kind)
        if field:
            changes[relationship.key] = field
    return changes


def _field(column: AuditedColumn, old: Any, new: Any, kind: Kind) -> Field:
    if column.is_equal(old, new):
        return {}
    if column.is_redacted:
        return {"redacted": True}
    match kind:
        case "insert":
            return {"to": plain(new)}
        case "delete":
            return {"from": plain(old)}
        case "update":
            return {"from": plain(old), "to": plain(new)}


def _present(
    connect: Connect,
    state: InstanceState[Any],
    kind: Kind,
    old: Row,
    columns: Iterable[AuditedColumn],
) -> Row:
    """The values of the row after the flush, of the columns that may have changed."""
    now = state.dict
    known: dict[str, Any] = {}
    missing = []
    is_insert = kind == "insert"
    for column in columns:
        key = column.key
        if key in now:
            if is_insert or key in old:
                known[key] = now[key]
        elif column.is_generated or column.fills_itself if is_insert else key in old:
            missing.append(key)
    if missing:
        identity = state.mapper.primary_key_from_instance(state.obj())
        found = read(connect(), state.mapper, missing, identity)
        load(state, found)  # whoever answers with the row answers with these too
        return known | found
    return known


def _links(state: InstanceState[Any], relationship: RelationshipProperty[Any], kind: Kind) -> Field:
    added, unchanged, deleted = state.attrs[relationship.key].history
    if kind == "delete":
        added, deleted = (), (*unchanged, *deleted)
    child = relationship.mapper
    names = (("added", added), ("removed", deleted))
    return {
        name: sorted(key_text(child.primary_key_from_instance(each)) for each in children)
        for name, children in names
        if children
    }
