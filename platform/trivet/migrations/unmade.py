"""The views and tables that mapped classes read and that no migration makes for them."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Table, inspect
from sqlalchemy.orm import Mapper

from trivet.data.single_connection import connect
from trivet.models.mapped import our_mappers
from trivet.models.views import is_migrated, is_view


def find_missing(url: str) -> list[str]:
    """A sentence for each that the database does not have, or that lacks a column."""
    mappers = sorted(our_mappers(), key=lambda each: each.class_.__name__)
    with connect(url) as connection:
        return [sentence for mapper in mappers for sentence in _faults(connection, mapper)]


def _faults(connection: Connection, mapper: Mapper[Any]) -> Iterator[str]:
    table = mapper.local_table
    if not isinstance(table, Table) or is_migrated(table):
        return
    name = mapper.class_.__name__
    inspector: Any = inspect(connection)
    what = f"the {'view' if is_view(table) else 'table'} {table.fullname}"
    if not inspector.has_table(table.name, schema=table.schema):
        cure = (
            f'make it in a revision, op.execute("CREATE VIEW {table.fullname} AS …")'
            if is_view(table)
            else "whoever it belongs to has to make it"
        )
        yield f"{name} reads {what}, which the database does not have: {cure}"
        return
    there = {each["name"] for each in inspector.get_columns(table.name, schema=table.schema)}
    lacking = ", ".join(sorted(column.name for column in table.columns if column.name not in there))
    if lacking:
        yield f"{name} reads {what}, which has no column {lacking}: change the one or the other"
