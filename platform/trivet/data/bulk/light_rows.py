"""Rows that go through a flush without one.

A row is an instance here too, because rules and feeds are told of one, but it is in no identity
map, nothing was set on it, and SQLAlchemy's unit of work never sorts it: it has its values, and for
an update what they were. The steps of a flush run on it in their order, the very functions that are
listed in `trivet.data.listeners`; what SQLAlchemy does besides is its preparation of parameters and
its statements.

That is the same for everybody as long as nobody else listens (`is_light`).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    ClauseElement,
    Enum,
    Integer,
    String,
    Text,
    Uuid,
    any_,
    bindparam,
    cast,
    select,
)
from sqlalchemy.dialects.postgresql import CITEXT
from sqlalchemy.orm import InstanceState, Mapper, UOWTransaction, persistence
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.exc import StaleDataError

from trivet.array_text import texts
from trivet.capture.following import has_unseen
from trivet.capture.old_values import OldRow, columns_of, is_changed, load
from trivet.data import bounds, flush, judging
from trivet.data.bulk.updates import FEWEST
from trivet.data.documents import attributes_of
from trivet.data.session import TrivetSession
from trivet.data.strangers import hear_any, is_one_table
from trivet.fixed_statements import find_exchanging

Row = Mapping[str, Any]
Key = tuple[Any, ...]
Verb = Literal["insert", "update"]

_persistence: Any = persistence  # whose functions have no public names; pinned by tests
_OF_ROW = {"insert": ("before_insert", "after_insert"), "update": ("before_update", "after_update")}
_OF_FLUSH = ("before_flush", "after_flush", "after_flush_postexec")


def is_light(session: TrivetSession, mapper: Mapper[Any], rows: Sequence[Row], verb: Verb) -> bool:
    """Whether `rows` can be written without objects, and nobody notices."""
    if len(rows) < FEWEST or not _is_plain(mapper):
        return False
    if session.capture.rules.tenants.of(mapper.class_) or has_unseen(mapper):
        return False
    if hear_any(mapper.dispatch, _OF_ROW[verb]) or hear_any(session.dispatch, _OF_FLUSH):
        return False
    names = set[str]().union(*rows)
    keys = {mapper.get_property_by_column(column).key for column in mapper.primary_key}
    if names & keys if verb == "insert" else not _has_plain_key(mapper):
        return False
    if any(mapper.class_manager[name].dispatch.set for name in names - keys):
        return False  # a validator among them
    kinds = {type(value) for row in rows for value in row.values()}
    if any(
        issubclass(kind, ClauseElement) or hasattr(kind, "__clause_element__") for kind in kinds
    ):
        return False
    return find_exchanging(session.connection()) is not None


def _is_plain(mapper: Mapper[Any]) -> bool:
    """Whether a row of the class is one row of one table, with nothing inside that may change."""
    is_alone = mapper.inherits is None and mapper.polymorphic_on is None
    asks_back = mapper.eager_defaults is True or mapper.version_id_generator is False
    return is_alone and is_one_table(mapper) and not (asks_back or attributes_of(mapper))


def _has_plain_key(mapper: Mapper[Any]) -> bool:
    """Whether a row is found by one value, whose text is read as the same value."""
    kinds = [column.type for column in mapper.primary_key]
    is_read = isinstance(kinds[0], Integer | String | Uuid) and not isinstance(kinds[0], Enum)
    # For a type without case, or under a collation, other texts may be the same key.
    is_exact = not isinstance(kinds[0], CITEXT) and getattr(kinds[0], "collation", None) is None
    return is_read and is_exact and len(kinds) == 1


def insert_light(session: TrivetSession, mapper: Mapper[Any], rows: Sequence[Row]) -> None:
    """Insert rows."""
    instances = [mapper.class_manager.new_instance() for _ in rows]
    states: list[InstanceState[Any]] = list(map(instance_state, instances))
    for state, row in zip(states, rows, strict=True):
        state.session_id = session.hash_key
        state.dict.update(row)
    with _as_flush(session) as work:
        connection = session.connection()
        flush.refuse_half_captured(mapper, connection, instances[0])
        judging.judge_light(session, "insert", ((each, None) for each in instances))
        given = ((state, state.dict, mapper, connection) for state in states)
        table = mapper.local_table
        records = list(_persistence._collect_insert_commands(table, given))  # noqa: SLF001  # as a flush does
        _persistence._emit_insert_statements(mapper, work, mapper, table, records)  # noqa: SLF001  # as a flush does
        if bounds.bounds_of(mapper, session.dialect).made_at_insert:
            for instance in instances:
                bounds.fit_inserted(mapper, connection, instance)
        flush.capture_rows(session, [(state, "insert") for state in states])


def update_light(
    session: TrivetSession, mapper: Mapper[Any], rows: Sequence[Row], keys: Sequence[Key]
) -> None:
    """Update rows, which are locked first in the order of `keys`.

    Raises:
        StaleDataError: A row is gone, or has another version than the one that is given.
    """
    with _as_flush(session) as work:
        connection = session.connection()
        found = _read_locked(session, mapper, keys)
        if len(found) < len(keys):
            raise stale(mapper, len(keys), len(found))
        version = version_of(mapper)
        instances = [found[key][0] for key in keys]
        before = [found[key][1] for key in keys]
        states: list[InstanceState[Any]] = list(map(instance_state, instances))
        flush.refuse_half_captured(mapper, connection, instances[0])
        for row, state in zip(rows, states, strict=True):
            _set(state, row, version)
        judging.judge_light(session, "update", zip(instances, before, strict=True))
        for old, state in zip(before, states, strict=True):
            changed = frozenset(key for key in state.committed_state if is_changed(state, key))
            session.recorder.remember(state, OldRow(old, changed))
        states.sort(key=flush.order_of)
        given = (
            (state, state.dict, mapper, connection, state.dict.get(version)) for state in states
        )
        table = mapper.local_table
        records = list(_persistence._collect_update_commands(work, table, given))  # noqa: SLF001  # as a flush does
        _persistence._emit_update_statements(mapper, work, mapper, table, records)  # noqa: SLF001  # as a flush does
        if bounds.bounds_of(mapper, session.dialect).made_at_update:
            for instance in instances:
                bounds.fit_updated(mapper, connection, instance)
        flush.capture_rows(session, [(state, "update") for state in states])
        _tell_objects(session, states)


@contextmanager
def _as_flush(session: TrivetSession) -> Iterator[UOWTransaction]:
    """Have the guards take what is written inside the block for what a flush writes."""
    session.recorder.begin_flush()
    session._flushing = True  # noqa: SLF001  # what the guards ask; pinned by a test
    try:
        yield UOWTransaction(session)
    finally:
        session._flushing = False  # noqa: SLF001  # here too


def _read_locked(
    session: TrivetSession, mapper: Mapper[Any], keys: Sequence[Key]
) -> dict[Key, tuple[Any, Row]]:
    """The rows with these keys, as instances and by attribute, locked in the order of their
    keys."""
    columns, (column,) = columns_of(mapper), mapper.primary_key
    # Not one parameter for each, whose text the driver and the server would read anew each time.
    given = texts([str(key).replace("\0", "") for (key,) in keys])
    one_of = any_(cast(bindparam(None, given, Text), ARRAY(column.type)))
    query = select(*columns.values()).where(column == one_of).order_by(column)
    name, wanted = mapper.get_property_by_column(column).key, set(keys)
    found: dict[Key, tuple[Any, Row]] = {}
    for row in session.connection().execute(query.with_for_update(key_share=True)):
        values = dict(zip(columns, row, strict=True))
        key = (values[name],)
        if key in wanted:  # a text may have been cut to the length of its column
            instance = mapper.class_manager.new_instance()
            state: InstanceState[Any] = instance_state(instance)
            state.key = mapper.identity_key_from_primary_key(key)
            state.session_id = session.hash_key
            state.dict.update(values)
            found[key] = instance, values
    return found


def _set(state: InstanceState[Any], row: Row, version: str) -> None:
    """Set the values of `row`; its version is the one that is expected."""
    present = state.dict
    for name, value in row.items():
        old = present[name]
        if name == version:
            if value != old:
                raise stale(state.mapper, 1, 0)
        elif old is not value and state.manager[name].impl.is_equal(value, old) is not True:
            state.committed_state[name] = old
            present[name] = value


def _tell_objects(session: TrivetSession, states: Sequence[InstanceState[Any]]) -> None:
    """Give the objects of the session the values that their rows have now."""
    known = session.identity_map
    for state in states:
        instance = None if state.key is None else known.get(state.key)
        if instance is not None:
            values = {key: state.dict[key] for key in columns_of(state.mapper)}
            load(instance_state(instance), values)


def version_of(mapper: Mapper[Any]) -> str:
    """The attribute that counts the versions of a row; empty if there is none."""
    column = mapper.version_id_col
    return "" if column is None else str(mapper.get_property_by_column(column).key)


def stale(mapper: Mapper[Any], expected: int, matched: int) -> StaleDataError:
    """The error for rows that are gone, or have other versions, in SQLAlchemy's words."""
    return StaleDataError(
        f"UPDATE statement on table '{mapper.local_table.description}' expected to update "
        f"{expected} row(s); {matched} were matched."
    )
