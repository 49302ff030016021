"""PostgreSQL's failures, read from the fields of its diagnosis, because its sentences are in the
server's language."""

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.sql.dml import Delete, Insert

from trivet.data.constraints import columns_of_constraint, find_table, name_of, rule_of
from trivet.data.violation import Columns, Kind, Row, Violation, named, say

_SQLSTATES: dict[str, Kind] = {
    "23505": "unique",
    "23502": "null",
    "23514": "check",
    "23P01": "overlap",
    "23503": "missing",
    "23001": "referred",  # restrict_violation
}
_KEY = re.compile(r"\((?P<columns>.*?)\)=\((?P<values>.*)\)", re.DOTALL)
"""Key (a, "B")=(1, 2) …, in whatever language the rest is."""
_NAME = re.compile(r'(?:^|, )(?:"((?:[^"]|"")+)"|([^"].*?))(?=, |$)', re.DOTALL)
"""A column of a key. That of an index is in quotes if its name asks for them, for its capitals for
one; that of a foreign key never is."""


def read_postgresql(error: Any, statement: Any, rows: Sequence[Row]) -> Violation | None:
    """The violation that `error` (psycopg's) reports for `statement` with the parameters `rows`;
    None for a statement that is not known."""
    diagnosis = error.diag
    kind = _SQLSTATES.get(diagnosis.sqlstate or "")
    written = None if statement is None else statement.table
    table = find_table(diagnosis.table_name, diagnosis.schema_name, written)
    if kind is None or table is None:
        return None
    name = diagnosis.constraint_name or ""
    key = _KEY.search(diagnosis.message_detail or "")
    keyed = _columns_of(table, key)
    match kind:
        case "null":
            return Violation("null", table, named(table, [diagnosis.column_name or ""]))
        case "check":
            rule = rule_of(table, name)
            return Violation("check", table, rule.columns, rule.text)
        case "unique" | "overlap":
            return Violation(kind, table, columns_of_constraint(table, name) or keyed)
        case _:
            reference = _referencenamed(table, name, keyed)
            if reference is None:
                return None
            return _broken(reference, kind, statement, rows, key)


def _broken(
    reference: ForeignKeyConstraint,
    kind: Kind,
    statement: Any,
    rows: Sequence[Row],
    key: re.Match[str] | None,
) -> Violation:
    keyed = _columns_of(reference.table, key)
    if _is_of_parent(reference, kind, statement, rows, keyed):
        parent = reference.referred_table
        columns = tuple(parent.primary_key.columns)
        return Violation("referred", parent, columns, other=reference.table)
    columns = tuple(reference.columns)
    value = key["values"] if key else ""
    said = say(value, columns)
    return Violation("missing", reference.table, columns, said, reference.referred_table)


def _columns_of(table: Table, key: re.Match[str] | None) -> Columns:
    if key is None:
        return ()
    found = _NAME.findall(key["columns"])
    return named(table, [quoted.replace('""', '"') or plain for quoted, plain in found])


def _referencenamed(table: Table, name: str, keyed: Columns) -> ForeignKeyConstraint | None:
    every = list(table.foreign_key_constraints)
    named = [each for each in every if name_of(table, each) == name]
    unnamed = [each for each in every if tuple(each.columns) == keyed]
    return next(iter([*named, *unnamed]), None)


def _is_of_parent(
    reference: ForeignKeyConstraint,
    kind: Kind,
    statement: Any,
    rows: Sequence[Row],
    keyed: Columns,
) -> bool:
    """Whether the statement deletes a row that others refer to. PostgreSQL has the same code for
    a row that refers to nothing."""
    if kind == "referred" or isinstance(statement, Delete):
        return True
    if statement is None:  # found at the commit; the key is named by the columns of its side
        return bool(keyed) and keyed != tuple(reference.columns)
    if isinstance(statement, Insert):
        return False
    sets_reference = any(column.key in row for row in rows[:1] for column in reference.columns)
    return statement.table is not reference.table or not sets_reference
