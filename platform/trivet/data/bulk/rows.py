"""Rows without objects: ``db.execute(insert(Flight), rows)`` and ``db.execute(update(Flight),
rows)``, which SQLAlchemy calls bulk INSERT, and bulk UPDATE by primary key.

What they do is said by objects: one is made, or locked and loaded, for each row, its attributes are
set, and all are flushed together. So bounds, validators, rules, versions, feeds and the audit trail
are those of a flush, and so are the errors. Where nobody could notice the difference, no objects
are made (`trivet.data.bulk.light_rows`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Insert, Result, Update, insert, select, tuple_, update
from sqlalchemy.engine.result import null_result
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Mapper, ORMExecuteState

from trivet.capture.old_values import columns_of
from trivet.data.bulk.light_rows import Row, insert_light, is_light, stale, update_light, version_of
from trivet.data.session import TrivetSession

MOST = 1000
"""Rows that one statement loads."""


def write_rows(state: ORMExecuteState) -> Result[Any] | None:
    """Write the rows of an INSERT or an UPDATE of a class whose changes somebody sees. A listener
    of ``do_orm_execute``.

    Returns:
        An empty result, as SQLAlchemy's; None if the statement is something else.

    Raises:
        InvalidRequestError: A row has a name that is no column attribute, or one to update lacks
            its key.
        StaleDataError: A row to update is gone, or has another version than the one given.
    """
    session, mapper, given = state.session, state.bind_mapper, state.parameters
    if mapper is None or not given or not isinstance(session, TrivetSession):
        return None
    if session.read_only or not _is_seen(session, mapper) or not _is_of_rows(state, mapper):
        return None
    rows: Sequence[Row] = [given] if isinstance(given, Mapping) else list(given)
    _require_columns(mapper, rows)
    session.flush()
    if state.is_insert:
        _insert(session, mapper, rows)
    else:
        _update(session, mapper, rows)
    return null_result()


def _is_seen(session: TrivetSession, mapper: Mapper[Any]) -> bool:
    """Whether somebody sees changes of the class. Others are written as SQLAlchemy does it."""
    capture, mapped = session.capture, mapper.class_
    is_judged = capture.rules.rules_of(mapped) or capture.feeds.feeds_of(mapped)
    return bool(is_judged) or capture.notes(mapper)


def _is_of_rows(state: ORMExecuteState, mapper: Mapper[Any]) -> bool:
    """Whether a statement says nothing but of which class the rows are."""
    match state.statement:
        case Insert() as statement:
            return statement.compare(insert(mapper.class_))
        case Update() as statement:
            return statement.compare(update(mapper.class_))
        case _:
            return False


def _require_columns(mapper: Mapper[Any], rows: Sequence[Row]) -> None:
    known = columns_of(mapper).keys()
    for name in set[str]().union(*rows) - known:
        raise InvalidRequestError(f"{mapper.class_.__name__} has no column attribute {name!r}")


def _insert(session: TrivetSession, mapper: Mapper[Any], rows: Sequence[Row]) -> None:
    if is_light(session, mapper, rows, "insert"):
        insert_light(session, mapper, rows)
        return
    for row in rows:
        made = mapper.class_manager.new_instance()
        for name, value in row.items():
            setattr(made, name, value)
        session.add(made)
    session.flush()


def _update(session: TrivetSession, mapper: Mapper[Any], rows: Sequence[Row]) -> None:
    names = [mapper.get_property_by_column(column).key for column in mapper.primary_key]
    keys = [tuple(row.get(name) for name in names) for row in rows]
    if any(None in key for key in keys):
        raise InvalidRequestError(
            f"each row to update has the key of its {mapper.class_.__name__}: {', '.join(names)}"
        )
    if len(set(keys)) == len(keys) and is_light(session, mapper, rows, "update"):
        update_light(session, mapper, rows, keys)
        return
    found = _locked(session, mapper, keys)
    if not found.keys() >= set(keys):
        raise stale(mapper, len(set(keys)), len(found))
    version = version_of(mapper)
    for row, key in zip(rows, keys, strict=True):
        instance = found[key]
        if version in row and row[version] != getattr(instance, version):
            raise stale(mapper, 1, 0)
        for name, value in row.items():
            if name not in names and name != version:
                setattr(instance, name, value)
    session.flush()


def _locked(
    session: TrivetSession, mapper: Mapper[Any], keys: Sequence[tuple[Any, ...]]
) -> dict[tuple[Any, ...], Any]:
    """The objects with these keys, as they are now, locked in the order of their keys."""
    found: dict[tuple[Any, ...], Any] = {}
    whole = tuple_(*mapper.primary_key)
    for first in range(0, len(keys), MOST):
        query = select(mapper.class_).where(whole.in_(keys[first : first + MOST]))
        query = query.order_by(*mapper.primary_key).with_for_update(of=mapper.class_)
        for each in session.scalars(query.execution_options(populate_existing=True)):
            found[tuple(mapper.primary_key_from_instance(each))] = each
    return found
