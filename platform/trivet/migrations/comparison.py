"""What one run of Alembic's comparison knows: both shapes of each table, and what has none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Enum, Identity, Table

from trivet.migrations.scratch import Wanted, build
from trivet.migrations.shapes import ColumnShape, Shape, read_shape
from trivet.rules.policies import Policy

_EXAMPLES = 2
_OUR_OWN = "trivet_"
"""How the platform's tables are called. Nobody who is told of their comments can do anything."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A table as its database keeps it, and as it would keep what the models want."""

    now: Shape
    wanted: Wanted

    def columns(self, name: str) -> tuple[ColumnShape, ColumnShape]:
        return self.now.columns[name], self.wanted.shape.columns[name]


@dataclass
class Comparison:
    """What one run of Alembic's comparison knows of the tables.

    Attributes:
        unwritten: Differences for which no revision can be written: the table, and a sentence.
        unknown: What this database cannot say: the kind, and where it is.
        enums: The enumerations whose change is written, which several tables may use.
        policies: The policies that tables should have, by their keys.
    """

    unwritten: list[tuple[str, str]] = field(default_factory=list)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    enums: set[str] = field(default_factory=set)
    policies: Mapping[str, Policy] = field(default_factory=dict)
    _pairs: dict[str, Pair | None] = field(default_factory=dict)

    @property
    def uncompared(self) -> list[str]:
        """What was not compared, a part of a sentence each, with two examples."""
        return [f"{what} ({_some_of(where)})" for what, where in self.unknown.items()]

    def pair_of(self, connection: Connection, table: Table) -> Pair | None:
        """Both shapes of a table; None if the wanted one cannot be built."""
        if table.key not in self._pairs:
            wanted = build(connection, table)
            if wanted.fault:
                self._pairs[table.key] = None
                self._note("texts", f"{table.name}: {wanted.fault}")
            else:
                now = read_shape(connection, table, table.schema)
                self._pairs[table.key] = Pair(now, wanted)
                if connection.dialect.name == "sqlite" and not table.name.startswith(_OUR_OWN):
                    for what, where in _unknown_to_sqlite(table):
                        self._note(what, where)
                    if table.key in self.policies:
                        self._note("row security", table.name)
        return self._pairs[table.key]

    def _note(self, what: str, where: str) -> None:
        self.unknown.setdefault(what, []).append(where)


def _some_of(places: list[str]) -> str:
    named, others = places[:_EXAMPLES], len(places) - _EXAMPLES
    return ", ".join(named) + (f" and {others} more" if others > 0 else "")


def _unknown_to_sqlite(table: Table) -> Iterator[tuple[str, str]]:
    """What a table has that SQLite has no place for."""
    for column in table.columns:
        where = f"{table.name}.{column.name}"
        if column.comment:
            yield "comments", where
        if isinstance(column.server_default, Identity):
            yield "identities", where
        if isinstance(column.type, Enum) and column.type.native_enum:
            yield "members of enumerations", where
    if table.comment:
        yield "comments", table.name
    for index in table.indexes:
        if any(map(_is_given, index.dialect_options["postgresql"].items())):
            yield "options of indexes for PostgreSQL", str(index.name)


def _is_given(option: tuple[str, Any]) -> bool:
    # A condition is asked for its truth by nobody: it is SQL. SQLite has one of its own.
    name, value = option
    is_empty = value is None or value is False or (isinstance(value, (dict, list)) and not value)
    return name not in ("where", "concurrently") and not is_empty
