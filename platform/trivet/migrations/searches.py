"""The indexes of searches in revisions: made last, and dropped before anything else changes.

A revision says it by a call, which does what the database needs: on PostgreSQL a GIN index, on
SQLite a table of FTS5 with its triggers. What SQLite has is compared by the texts of its parts;
what PostgreSQL has, with its other indexes.
"""

import re
from collections.abc import Sequence
from typing import Any

from alembic import op
from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Connection, Table, column, text
from sqlalchemy.types import String

from trivet.migrations.conversions import POSTGRESQL, SENTENCE
from trivet.migrations.policies import taken_from
from trivet.models.search_tables import SearchTable, read_indexes
from trivet.models.searches import (
    SearchIndex,
    document,
    find_search,
    index_of,
    name_of_index,
)

_quote = POSTGRESQL.identifier_preparer.quote


def create_search(
    table: str,
    columns: Sequence[str],
    *,
    rowid: str | None = None,
    key: Sequence[str] = (),
    schema: str | None = None,
) -> None:
    """Index the texts of a table for searches, in a revision.

    Args:
        table: The table.
        columns: The columns, in the order in which their texts are one.
        rowid: The key, if it is one whole number.
        key: The columns of any other key.
        schema: The schema of the table.
    """
    index = SearchIndex(table, tuple(columns), rowid, tuple(key), schema)
    if op.get_context().dialect.name == "sqlite":
        SearchTable(index).create(op.get_bind())
        return
    expression = document([column(name, String()) for name in columns])
    said = expression.compile(dialect=POSTGRESQL, compile_kwargs={"literal_binds": True})
    name = _quote(name_of_index(table))
    on = f"{_quote(schema)}.{_quote(table)}" if schema else _quote(table)
    # Somebody may have made it by hand, before a class could declare it.
    _execute(f"CREATE INDEX IF NOT EXISTS {name} ON {on} USING gin ({said})")


def drop_search(table: str, *, schema: str | None = None) -> None:
    """Drop the index of a table for searches, in a revision."""
    if op.get_context().dialect.name == "sqlite":
        SearchTable(SearchIndex(table, ())).drop(op.get_bind())
        return
    name = _quote(name_of_index(table))
    _execute(f"DROP INDEX IF EXISTS {f'{_quote(schema)}.' if schema else ''}{name}")


def _execute(statement: str) -> None:
    op.execute(text(re.sub(r"(?<!:):(?!:)", r"\\:", statement)))


class CreateSearchOp(MigrateOperation):
    """Make the index of a search."""

    def __init__(self, index: SearchIndex) -> None:
        self.index = index

    def reverse(self) -> "DropSearchOp":
        """The way back."""
        return DropSearchOp(self.index)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As Alembic's own operations say what differs."""
        return ("add_search", self.index)


class DropSearchOp(MigrateOperation):
    """Drop the index of a search."""

    def __init__(self, index: SearchIndex) -> None:
        self.index = index

    def reverse(self) -> CreateSearchOp:
        """The way back."""
        return CreateSearchOp(self.index)

    def to_diff_tuple(self) -> tuple[Any, ...]:
        """As Alembic's own operations say what differs."""
        return ("remove_search", self.index)


SearchOp = CreateSearchOp | DropSearchOp


@renderers.dispatch_for(CreateSearchOp)
def _render_create(context: Any, operation: CreateSearchOp) -> str:
    index = operation.index
    given = [repr(index.table), repr(list(index.columns))]
    given.append(f"key={list(index.key)!r}" if index.rowid is None else f"rowid={index.rowid!r}")
    return _call(context, "create_search", given, index.schema)


@renderers.dispatch_for(DropSearchOp)
def _render_drop(context: Any, operation: DropSearchOp) -> str:
    return _call(context, "drop_search", [repr(operation.index.table)], operation.index.schema)


def _call(context: Any, name: str, given: list[str], schema: str | None) -> str:
    context.imports.add(f"import {__name__}")
    if schema:
        given.append(f"schema={schema!r}")
    return f"{__name__}.{name}({', '.join(given)})"


def compare_search(connection: Connection, table: Table, *, is_new: bool) -> list[SearchOp]:
    """What gives a table the index that it declares. An index that is there in PostgreSQL is
    compared with the others of its table, in the words of the database."""
    wanted = find_search(table)
    if is_new:
        return [] if wanted is None else [told(CreateSearchOp(wanted), "")]
    if connection.dialect.name != "sqlite":
        return []
    place = SearchTable(wanted or SearchIndex(table.name, ()))
    if wanted is not None and place.is_whole(connection):
        return []
    found: list[SearchOp] = []
    if place.is_begun(connection):
        found.append(_dropping(connection, table.name, wanted))
    if wanted is not None:
        found.append(told(CreateSearchOp(wanted), "" if found else wanted.missing))
    return found


def _dropping(connection: Connection, table: str, wanted: SearchIndex | None) -> SearchOp:
    known = {each.table: each for each in read_indexes(connection)}
    now = known.get(table)
    if wanted is None:
        then = now or SearchIndex(table, ())
        return told(DropSearchOp(then), then.left)
    if now is None or now == wanted:
        return told(DropSearchOp(wanted), f"{wanted.sentence} is not whole in the database")
    columns = ", ".join(now.columns)
    return told(DropSearchOp(now), f"{wanted.sentence} has {columns} in the database")


def told(operation: SearchOp, sentence: str) -> SearchOp:
    """`operation` with the sentence of its difference."""
    operation.info[SENTENCE] = sentence
    return operation


def read_definition(table: Table, definition: str) -> SearchIndex:
    """The index that PostgreSQL has, as far as `definition` says it."""
    places = {
        each.name: found.start()
        for each in table.columns
        if (found := re.search(rf'(?<!\w)"?{re.escape(each.name)}"?(?!\w)', definition))
    }
    return index_of(table, sorted(places, key=lambda name: places[name]))


def order_searches(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Drop indexes of searches before anything else changes, and make them when their columns are
    there, in both directions."""
    found: list[SearchOp] = taken_from(upgrade, CreateSearchOp, DropSearchOp)
    taken_from(downgrade, CreateSearchOp, DropSearchOp)
    _put_around(upgrade, found)
    _put_around(downgrade, [each.reverse() for each in found if each.index.columns])


def _put_around(container: ops.OpContainer, found: Sequence[SearchOp]) -> None:
    drops = [each for each in found if isinstance(each, DropSearchOp)]
    container.ops[:0] = drops
    container.ops += [each for each in found if isinstance(each, CreateSearchOp)]
