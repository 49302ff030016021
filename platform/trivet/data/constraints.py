"""Constraints and their columns, found by the names that the databases give them.

A constraint without a name of its own (in a metadata without a naming convention) is called by
PostgreSQL after its table and columns, and by SQLite after its expression.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CheckConstraint, Column, Table

from trivet.models.base import digest_of
from trivet.models.mapped import our_tables

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Rule:
    """A CHECK: its sentence for people, and the columns that it tests."""

    text: str
    columns: "tuple[Column[Any], ...]"


def find_table(name: str | None, schema: str | None, written: Table | None) -> Table | None:
    """The table that a database calls `name`: `written`, one of the same metadata, or another of
    ours."""
    if written is not None and written.name == name:
        return written
    beside = () if written is None else written.metadata.tables.values()
    found = [table for table in (*beside, *our_tables()) if table.name == name]
    return next((t for t in found if t.schema == schema), found[0] if found else None)


def find_column(table: Table, name: str) -> "Column[Any] | None":
    """The column that the database calls `name`; its key may be another."""
    return next((column for column in table.columns if column.name == name), None)


def columns_of_constraint(table: Table, name: str) -> "tuple[Column[Any], ...]":
    """The columns of the constraint or unique index `name`; none if there is none."""
    every: Iterable[Any] = [*table.constraints, *table.indexes]
    return next((tuple(each.columns) for each in every if name_of(table, each) == name), ())


_KINDS = {
    "unique_constraint": "key",
    "primary_key_constraint": "pkey",
    "foreign_key_constraint": "fkey",
}
"""By the names that SQLAlchemy's constraints have for visitors: the ends of PostgreSQL's names."""


def name_of(table: Table, constraint: Any) -> str | None:
    """The name of a constraint or index of `table`; where it has none, that which PostgreSQL gives
    it, and a revision as well."""
    if constraint.name is not None:
        return str(constraint.name)
    kind = _KINDS.get(constraint.__visit_name__)
    if kind is None:
        return None
    columns = [] if kind == "pkey" else [column.name for column in constraint.columns]
    return "_".join([table.name, *columns, kind])


def rule_of(table: Table, name: str) -> Rule:
    """The CHECK that the database calls `name`.

    Its sentence is its ``comment``, the ``label`` in its ``info``, or its name; the condition
    itself if it has no name.
    """
    checks = [each for each in table.constraints if isinstance(each, CheckConstraint)]
    check = next((each for each in checks if each.name == name), None)
    if check is None:
        check = next((each for each in checks if name in _other_names(table, each)), None)
    if check is None:
        return Rule(_short(table, name), ())
    said = getattr(check, "comment", None) or check.info.get("label")
    given = _short(table, check.name) if isinstance(check.name, str) else ""
    given = "" if given == digest_of(check) else given
    return Rule(said or given or _condition(check), _columns(table, check))


def _condition(check: CheckConstraint) -> str:
    """What a CHECK says, with the columns named as in its table."""
    options = {"literal_binds": True, "include_table": False}
    return " ".join(str(check.sqltext.compile(compile_kwargs=options)).split())


def _other_names(table: Table, check: CheckConstraint) -> set[str]:
    names = "_".join(column.name for column in _columns(table, check)[:1])
    return {str(check.sqltext), f"{table.name}_{names}_check", f"{table.name}_check"}


def _columns(table: Table, check: CheckConstraint) -> "tuple[Column[Any], ...]":
    if given := tuple(check.columns):
        return given
    words = set(_WORD.findall(str(check.sqltext)))  # SQLAlchemy does not parse SQL in a string
    return tuple(column for column in table.columns if column.name in words)


def _short(table: Table, name: str) -> str:
    """A constraint's name without the prefix of the naming convention."""
    return name.removeprefix(f"ck_{table.name}_")
