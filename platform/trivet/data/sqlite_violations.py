"""SQLite's failures: its messages name columns and checks, but nothing of a foreign key.

Its transaction is as it was before the failed statement, so the parents and the children can be
queried.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, ForeignKeyConstraint, Table, and_, exists, select
from sqlalchemy.sql.dml import Delete, Insert

from trivet.data.constraints import columns_of_constraint, rule_of
from trivet.data.violation import Row, Violation, named, say

ROWS_ASKED = 500
"""The number of rows of a failed statement whose references are looked up, one by one."""

_SQLITE = re.compile(r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (.*))?", re.DOTALL)


def read_sqlite(
    message: str, connection: Connection, statement: Any, rows: Sequence[Row]
) -> Violation | None:
    """The violation that `message` reports for `statement` with the parameters `rows`."""
    found = _SQLITE.match(message)
    if found is None:
        return None
    table, (kind, what) = statement.table, found.groups()
    match kind:
        case "UNIQUE":
            index = what.partition("index '")[2].rstrip("'")
            names = [part.rpartition(".")[2] for part in what.split(", ")]
            columns = columns_of_constraint(table, index) if index else named(table, names)
            return Violation("unique", table, columns)
        case "NOT NULL":
            return Violation("null", table, named(table, [what.rpartition(".")[2]]))
        case "CHECK":
            rule = rule_of(table, what)
            return Violation("check", table, rule.columns, rule.text)
        case _:
            return _find_reference(connection, statement, rows)


def _find_reference(
    connection: Connection, statement: Any, rows: Sequence[Row]
) -> Violation | None:
    """The violated foreign key, found by queries: SQLite says only that one failed."""
    found = [] if isinstance(statement, Delete) else _missing(connection, statement.table, rows)
    if isinstance(statement, Insert):
        return next(iter(found), None)
    return next(iter([*found, *_referring(connection, statement.table, rows)]), None)


def _missing(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[Violation]:
    for reference in _in_order(table):
        columns = tuple(reference.columns)
        sent = dict.fromkeys(
            tuple(row[column.key] for column in columns)
            for row in rows[:ROWS_ASKED]
            if all(row.get(column.key) is not None for column in columns)
        )
        targets = [element.column for element in reference.elements]
        for values in sent:
            same = and_(*(c == value for c, value in zip(targets, values, strict=True)))
            if not connection.scalar(select(exists().where(same))):
                said = say(", ".join(map(str, values)), columns)
                yield Violation("missing", table, columns, said, reference.referred_table)


def _referring(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[Violation]:
    own = tuple(table.primary_key.columns)
    children = (child for child in table.metadata.sorted_tables)
    references = [r for child in children for r in _in_order(child) if r.referred_table is table]
    for row in rows[:ROWS_ASKED]:
        given = [row.get(column.key, row.get(f"{table.name}_{column.key}")) for column in own]
        for reference in references:
            child = reference.table.alias()
            pairs = [
                child.c[element.parent.key] == element.column for element in reference.elements
            ]
            same = [column == value for column, value in zip(own, given, strict=True)]
            if connection.scalar(select(exists().where(*pairs, *same))):
                yield Violation("referred", table, own, other=reference.table)


def _in_order(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda each: [c.name for c in each.columns])
