"""Rows that go with a row of Django's: Django has to collect them, or the database takes them.

A user's API keys go with the user. Django's Collector knows them by their mirror and deletes
them first, so that it is captured; of a class without a mirror it knows nothing.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Mapper

from trivet.audit.capture import is_audited
from trivet.capture.tables import action_of
from trivet.errors import ConfigurationError
from trivet_admin import runtime
from trivet_admin.backends.guard import django_tables
from trivet_admin.mirror.registry import mirror


def require_collected(mappers: Iterable[Mapper[Any]]) -> None:
    """Raise ConfigurationError, naming every case, where the deletion of a row of Django's
    changes fed or audited rows of `mappers` that Django does not collect."""
    faults = [fault for mapper in mappers if _is_captured(mapper) for fault in _faults(mapper)]
    if faults:
        raise ConfigurationError("uncollected", " ".join(sorted(faults)))


def _is_captured(mapper: Mapper[Any]) -> bool:
    return is_audited(mapper.local_table) or bool(runtime.capture().feeds.feeds_of(mapper.class_))


def _faults(mapper: Mapper[Any]) -> Iterator[str]:
    table = mapper.local_table
    if mapper.inherits is not None and mapper.inherits.local_table is table:
        return  # said of the class that it inherits from
    for key in table.foreign_key_constraints if isinstance(table, Table) else ():
        if not action_of(key.ondelete) or key.referred_table.name not in django_tables():
            continue
        names = {column.name for column in key.columns}
        reason = _why_not_collected(mapper.class_, names)
        if reason is not None:
            yield (
                f"{mapper.class_.__name__} is captured, and its foreign key "
                f"({', '.join(sorted(names))}) has ON DELETE {key.ondelete}, by which the "
                f"database changes rows unseen when Django deletes from "
                f"{key.referred_table.name}, for Django cannot do it itself. {reason} Or leave "
                "ON DELETE out, and the deletion is refused. A table that feeds no channel and "
                'needs no trail says so by its info={"audit": "ignored"}.'
            )


def _why_not_collected(mapped: type[Any], columns: set[str]) -> str | None:
    try:
        fields = mirror(mapped)._meta.concrete_fields
    except ConfigurationError as error:
        return error.detail
    if any(field.is_relation and {field.column} == columns for field in fields):
        return None
    return "Cure: give the column one foreign key, and to one table."
