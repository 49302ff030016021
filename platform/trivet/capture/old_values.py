"""The rows before a flush changes them: the old values of audit entries and feeds.

SQLAlchemy knows the old value of an attribute only if it was loaded when it was set. It does not
know that of a deferred or expired attribute, or of an instance that was made persistent by hand. A
change without its old value is incomplete, so missing values are read just before the UPDATE or
DELETE: one statement for each such row, none for the others.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, select
from sqlalchemy.orm import InstanceState, Mapper
from sqlalchemy.orm.attributes import History, set_committed_value
from sqlalchemy.orm.base import NO_VALUE, PASSIVE_NO_INITIALIZE, PASSIVE_NO_RESULT


@dataclass(frozen=True, slots=True)
class OldRow:
    """A row before the flush. `values` holds its known values by attribute, `changed` the
    attributes that the flush changes, and `members` the keys of the former members of changed
    many-to-many relationships."""

    values: Mapping[str, Any] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    members: Mapping[str, Any] = field(default_factory=dict)


@cache
def columns_of(mapper: Mapper[Any]) -> Mapping[str, Column[Any]]:
    """The attributes of `mapper` that are columns, and no expressions over them."""
    return {
        attribute.key: column
        for attribute in mapper.column_attrs
        if isinstance(column := attribute.columns[0], Column) and column.table in mapper.tables
    }


def fills_itself(column: ColumnElement[Any]) -> bool:
    """Whether an update may write `column` by itself."""
    given = (getattr(column, name, None) for name in ("onupdate", "server_onupdate", "computed"))
    return any(each is not None for each in given)


def read_old_row(
    connection: Connection, state: InstanceState[Any], *, is_delete: bool, loads: bool
) -> OldRow:
    """The values of the row of `state`, which is about to be updated or deleted.

    With `loads`, expired attributes are also loaded into the instance, for a feed, which may not
    query the database.
    """
    columns = columns_of(state.mapper)
    known = known_before(state, columns)
    # Noted now: after the UPDATE, a column that was set to an expression of SQL looks as if it
    # had not changed.
    changed = {key for key in state.committed_state if key in columns and is_changed(state, key)}
    unknown = []
    if len(known) < len(columns):
        unknown = [
            key
            for key, column in columns.items()
            if key not in known and (is_delete or key in changed or fills_itself(column))
        ]
    expired: set[str] = set()
    if loads and state.expired_attributes:
        # An attribute that was set still counts as expired; its new value stays.
        expired = state.expired_attributes & state.unloaded & columns.keys()
    wanted = dict.fromkeys((*unknown, *expired))
    if wanted:
        found = read(connection, state.mapper, wanted, None if state.key is None else state.key[1])
        load(state, {key: found.get(key) for key in expired})
        known |= found
    return OldRow(known, frozenset(changed))


def history_of(state: InstanceState[Any], key: str) -> History:
    """The values of an attribute, as ``inspect(instance).attrs[key].history`` has them, which first
    makes an object for each attribute of the class."""
    return state.get_history(key, PASSIVE_NO_INITIALIZE)


def known_before(state: InstanceState[Any], keys: Collection[str]) -> dict[str, Any]:
    """The values that the row of `state` has in the database, of those of the column attributes
    `keys` that the session knows."""
    set_, present = state.committed_state, state.dict
    known = {key: present[key] for key in keys if key in present and key not in set_}
    for key in set_:
        if key in keys:
            old = set_[key]
            if _is_unknown(old) or key not in present:
                history = history_of(state, key)
                if values := history.deleted or history.unchanged:
                    known[key] = values[0]
            else:
                known[key] = old
    return known


def is_changed(state: InstanceState[Any], key: str) -> bool:
    """Whether a column attribute that was set has another value now."""
    old, new = state.committed_state[key], state.dict.get(key, NO_VALUE)
    if _is_unknown(old) or new is NO_VALUE:
        return history_of(state, key).has_changes()
    # As SQLAlchemy's history finds it, without making one.
    return old is not new and state.manager[key].impl.is_equal(new, old) is not True


def _is_unknown(value: Any) -> bool:
    return value is NO_VALUE or value is PASSIVE_NO_RESULT


def read(
    connection: Connection, mapper: Mapper[Any], keys: Iterable[str], identity: Any
) -> dict[str, Any]:
    """The values of the attributes `keys` in the row with the primary key `identity`. Nothing if
    there is no such row: the next statement will fail then, with the reason."""
    columns = {key: columns_of(mapper)[key] for key in keys}
    if not columns or identity is None:
        return {}
    # Numbered, because a label like the name would clash with it in a result of joined tables.
    labels = [column.label(f"old_{n}") for n, column in enumerate(columns.values())]
    query = select(*labels).select_from(mapper.persist_selectable)
    for column, value in zip(mapper.primary_key, identity, strict=True):
        query = query.where(column == value)
    row = connection.execute(query).one_or_none()
    return {} if row is None else dict(zip(columns, row, strict=True))


def load(state: InstanceState[Any], values: Mapping[str, Any]) -> None:
    """Give the instance of `state` these values of its row, as if it had just read them."""
    for key, value in values.items():
        set_committed_value(state.obj(), key, value)
