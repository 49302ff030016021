"""Definitions of constraints and indexes, matched by what they do and not by their names."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Index, Table, UniqueConstraint, text

from trivet.migrations.shapes import Shape


@dataclass(frozen=True, slots=True)
class Matched:
    added: list[str]
    removed: list[str]


def match(now: Mapping[str, str], wanted: Mapping[str, str]) -> Matched:
    """The names on each side whose definition the other has not, under whatever name."""
    left = Counter(now.values())
    added = []
    for name, said in wanted.items():
        if left[said] > 0:
            left[said] -= 1
        else:
            added.append(name)
    removed = []
    # Of several like it, those under a name of the models stay.
    for name, said in sorted(now.items(), key=lambda each: each[0] in wanted):
        if left[said] > 0:
            left[said] -= 1
            removed.append(name)
    return Matched(added, removed)


_UNIQUE = re.compile(r"UNIQUE (?:USING btree )?\(([^()']*)\)$")


def by_effect(shape: Shape) -> dict[str, str]:
    """The unique constraints and the indexes of a table, each by what it does."""
    found = {**shape.indexes, **shape.uniques}
    return {name: _effect(said) for name, said in found.items()}


def _effect(definition: str) -> str:
    matched = _UNIQUE.fullmatch(definition)
    if matched is None:
        return definition
    columns = [each.strip().strip('"') for each in matched[1].split(",")]
    if any(" " in each for each in columns):  # an order, or a class of operators
        return definition
    return f"UNIQUE {sorted(columns)}"


def unique_of(table: Table, definition: str) -> UniqueConstraint:
    for each in table.constraints:
        if isinstance(each, UniqueConstraint):
            columns = [column.name for column in each.columns]
            if _effect(f"UNIQUE ({', '.join(columns)})") == _effect(definition):
                return each
    columns = columns_of(definition)
    return UniqueConstraint(*(table.c[name] for name in columns))


def columns_of(definition: str) -> list[str]:
    """The columns of a unique constraint."""
    inner = definition[definition.index("(") + 1 : definition.rindex(")")]
    return [each.strip().strip('"') for each in inner.split(",")]


def index_of(table: Table, name: str, definition: str) -> Index:
    """The index as it was reflected. SQLite's of expressions are not, and are made of their
    text."""
    for each in table.indexes:
        if each.name == name:
            return each
    columns, _, where = definition.removeprefix("UNIQUE ").partition(" where ")
    inner = text(columns.strip()[1:-1].strip())
    return Index(
        name,
        inner,
        unique=definition.startswith("UNIQUE "),
        sqlite_where=text(where) if where else None,
        _table=table,  # an index of a text alone knows no table
    )


def condition_of(definition: str) -> str:
    """The condition of a CHECK, which PostgreSQL writes with the word."""
    if not definition.startswith("CHECK ("):
        return definition
    return definition[len("CHECK (") : definition.rindex(")")]
