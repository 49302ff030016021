"""Mapped classes whose rows are only read: views, queries, and tables of somebody else.

A class says it where its table is described:

* a view, materialized or not: ``info={"is_view": True}``, or the table of SQLAlchemy's
  ``CreateView``;
* a table that other code writes: ``info={"read_only": True}``;
* a table that other code makes as well: ``info={"external": True}``. Its rows may be written if it
  says ``"read_only": False`` besides;
* a class that is mapped to a query or a join needs to say nothing.

Migrations make no table for a view, nor for one that is external. What changes the rows behind a
view is captured where it is written.
"""

from functools import cache
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Mapper

IS_VIEW, READ_ONLY, EXTERNAL = "is_view", "read_only", "external"
"""The keys of a table's ``info``."""


def is_view(table: Any) -> bool:
    """Whether `table` is a view of the database."""
    return isinstance(table, Table) and bool(table.info.get(IS_VIEW) or table.is_view)


def is_migrated(table: Table) -> bool:
    """Whether migrations make `table`, and change it as the models change."""
    return not (table.info.get(EXTERNAL) or is_view(table))


@cache
def find_reading(mapper: Mapper[Any]) -> str | None:
    """Why rows of this class are only read, as the end of a sentence; None if they are written."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return "it is mapped to a query and not to a table"
    for each in mapper.tables:
        reason = _reason(each)
        if reason is not None:
            return reason
    return None


def _reason(table: Any) -> str | None:
    if is_view(table):
        return f"{table.name} is a view"
    if table.info.get(READ_ONLY, False):
        return f'the table {table.name} says info={{"{READ_ONLY}": True}}'
    if table.info.get(EXTERNAL) and READ_ONLY not in table.info:
        return f"the table {table.name} is external, so other code writes it"
    return None
