"""The row of a mirror as an object of its mapped class."""

from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Mapper, Session

from trivet_admin.mirror.hierarchy import inherits


def find_row(session: Session, mapped: type[Any], key: Any) -> Any:
    """The object with this key, or None.

    A base over concrete classes (``ConcreteBase``) loads rows of all their tables, which may have
    the same keys: of those, the one of its own table.
    """
    mapper: Mapper[Any] = inspect(mapped)
    return _one(session, mapper, key) if _is_over_others(mapper) else session.get(mapped, key)


def lock_row(session: Session, mapped: type[Any], key: Any) -> Any:
    """The same as the database has it now, locked until the transaction ends."""
    mapper: Mapper[Any] = inspect(mapped)
    if _is_over_others(mapper):  # no database locks a union
        return _one(session, mapper, key, populate_existing=True)
    # Of the first table alone: a base may be mapped to load its subclasses by outer joins, and
    # none locks what may not be there either.
    first = mapper
    while inherits(first) and first.inherits is not None:
        first = first.inherits
    lock = {"of": first.local_table}
    return session.get(mapped, key, with_for_update=lock, populate_existing=True)


def is_own(mapper: Mapper[Any], row: Any) -> bool:
    """Whether a loaded row lies in the table of `mapper`."""
    found: Mapper[Any] = inspect(row).mapper
    return found is mapper or not found.concrete


def _is_over_others(mapper: Mapper[Any]) -> bool:
    return any(each.concrete for each in mapper.self_and_descendants if each is not mapper)


def _one(session: Session, mapper: Mapper[Any], key: Any, **options: Any) -> Any:
    keys = zip(mapper.primary_key, key if isinstance(key, tuple) else (key,), strict=True)
    named = ((mapper.get_property_by_column(column).key, value) for column, value in keys)
    own = (getattr(mapper.class_, name) == value for name, value in named)
    query = select(mapper.class_).where(*own).execution_options(**options)
    return next((row for row in session.scalars(query) if is_own(mapper, row)), None)
