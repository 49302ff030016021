"""The tables of a feature as a database has them, and the operations that build them anew.

Where a class says the same as the database, the revision says it in the words of the class, which
run on every database. Everything else is in the database's words.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import MigrateOperation, ops
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKeyConstraint,
    Identity,
    MetaData,
    Table,
    UniqueConstraint,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, CreateDomainType
from sqlalchemy.schema import DefaultClause
from sqlalchemy.sql.naming import conv
from sqlalchemy.types import NullType

from trivet.features import Feature
from trivet.migrations.comparison import Comparison, Pair
from trivet.migrations.constraint_names import name_constraint
from trivet.migrations.conversions import POSTGRESQL
from trivet.migrations.enumerations import drops_of
from trivet.migrations.matching import columns_of, condition_of, index_of
from trivet.migrations.shapes import knowing_indexes, read_shape
from trivet.models.mapped import our_tables
from trivet.models.types import DatabaseType
from trivet.models.views import is_migrated


@dataclass
class Baseline:
    """What a database has of the tables of a feature.

    Attributes:
        feature: The feature.
        tables: The tables as they were reflected.
        missing: The names of those that the database lacks.
        referred: The tables to which foreign keys of `tables` lead.
        left_out: The foreign keys to tables that nobody would make in a fresh database.
    """

    feature: str
    tables: list[Table] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    referred: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[str]:
        """The names of the tables that are there."""
        return {each.name for each in self.tables}

    def preparations(self) -> list[MigrateOperation]:
        """What makes the schemas and domains of the tables, where a database lacks them. The way
        back leaves them, because other tables may have them by then."""
        names = sorted({each.schema for each in self.tables if each.schema is not None})
        quote = POSTGRESQL.identifier_preparer.quote
        made = [f"CREATE SCHEMA IF NOT EXISTS {quote(each)}" for each in names]
        kinds = [column.type for table in self.tables for column in table.columns]
        domains = {str(each.name): each for each in kinds if isinstance(each, DOMAIN)}
        for _, domain in sorted(domains.items()):
            create = str(CreateDomainType(domain).compile(dialect=POSTGRESQL)).strip()
            made.append(f"DO $$ BEGIN {create}; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        return [ops.ExecuteSQLOp(each) for each in made]

    def operations(self) -> list[MigrateOperation]:
        """What builds the tables: those first to which others refer. Of tables that refer to each
        other a key comes after both."""
        made: list[MigrateOperation] = []
        later: list[MigrateOperation] = []
        known: set[str] = set()
        for table in _in_order(self.tables):
            operation = ops.CreateTableOp.from_table(table)
            late = [key for key in table.foreign_key_constraints if self._is_late(key, known)]
            # By what they are: a column that is compared makes an expression of SQL.
            left_out = {*map(id, late)}
            operation.columns = [each for each in operation.columns if id(each) not in left_out]
            made.append(operation)
            made += [ops.CreateIndexOp.from_index(each) for each in sorted_indexes(table)]
            later += [_adding(key) for key in late]
            known.add(table.key)
        return [*made, *later]

    def _is_late(self, key: ForeignKeyConstraint, known: set[str]) -> bool:
        target = target_of(key)
        there = {each.key for each in self.tables}
        return target in there - known and target != key.table.key

    def enum_drops(self) -> list[MigrateOperation]:
        """What drops the enumerations of the tables."""
        return drops_of(column for table in self.tables for column in table.columns)


def read_baseline(connection: Connection, feature: Feature, tables: Iterable[Table]) -> Baseline:
    """Read what `connection` has of `tables`, and change nothing."""
    found = Baseline(feature.name)
    comparison = Comparison()
    look = inspect(connection)
    metadata = MetaData()  # one for all, in which a key finds the table that it leads to
    ours = {name for each in our_tables() for name in (each.key, each.name)}
    for wanted in sorted(tables, key=lambda each: each.key):
        if not is_migrated(wanted):
            continue
        if not look.has_table(wanted.name, schema=wanted.schema):
            found.missing.add(wanted.name)
            continue
        table = _reflect(connection, wanted, metadata)
        pair = comparison.pair_of(connection, wanted)
        if pair is not None:
            _say_as_the_class_does(table, wanted, pair)
        _leave_out_keys(table, ours, found)
        _leave_out_partitions(table, connection, found)
        found.tables.append(table)
    return found


def _reflect(connection: Connection, wanted: Table, metadata: MetaData) -> Table:
    table = Table(wanted.name, metadata, schema=wanted.schema)
    with knowing_indexes():
        inspect(connection).reflect_table(table, include_columns=None, resolve_fks=False)
    for constraint in table.constraints:
        if isinstance(constraint.name, str):
            constraint.name = conv(constraint.name)  # no convention makes another one of it
    for column in table.columns:
        _make_default_portable(column, table)
        _make_type_whole(column, connection)
    return table


def _make_type_whole(column: "Column[Any]", connection: Connection) -> None:
    """Say of a type what a fresh database needs: its name, if SQLAlchemy does not know it, and the
    collation of a domain once."""
    kind = column.type
    if isinstance(kind, NullType):
        shape = read_shape(connection, column.table, column.table.schema)
        column.type = DatabaseType(shape.columns[column.name].type or "BLOB")
    elif isinstance(kind, DOMAIN):
        plain: Any = kind.data_type
        if getattr(plain, "collation", None) is not None:
            plain.collation = None  # reflected as that of the type and of the domain
        if kind.collation == "default":
            kind.collation = None


_PLAIN = re.compile(r"'.*'|-?[\d.]+|\w+|\(.*\)", re.DOTALL)
"""What SQLite takes for a default without parentheses."""


def _make_default_portable(column: "Column[Any]", table: Table) -> None:
    default = column.server_default
    if not isinstance(default, DefaultClause) or isinstance(default.arg, str):
        return
    said = str(default.arg)
    if said.startswith("nextval("):
        # The sequence of a serial column comes with a new key. Another column numbers by itself.
        is_key = table.autoincrement_column is column
        column.server_default = None if is_key else Identity()
    elif not _PLAIN.fullmatch(said):
        column.server_default = DefaultClause(text(f"({said})".replace(":", "\\:")))


def _say_as_the_class_does(table: Table, wanted: Table, pair: Pair) -> None:
    for column in table.columns:
        if column.name in wanted.columns:
            _say_column(column, wanted.columns[column.name], pair)
    for index, said in pair.now.indexes.items():
        if index not in {each.name for each in table.indexes}:
            index_of(table, index, said)
    _say_checks(table, pair)
    _add_overlooked(table, pair)


def _say_checks(table: Table, pair: Pair) -> None:
    conditions = {said: pair.wanted.checks[n] for n, said in pair.wanted.shape.checks.items()}
    for check in [each for each in table.constraints if isinstance(each, CheckConstraint)]:
        said = pair.now.checks.get(str(check.name), "")
        same = conditions.get(pair.wanted.again.get(said, said))
        if same is not None:
            check.sqltext = text(same.condition.replace(":", "\\:"))
        elif said:
            check.sqltext = text(condition_of(said).replace(":", "\\:"))


def _add_overlooked(table: Table, pair: Pair) -> None:
    """Add what SQLAlchemy overlooks in some spellings of SQLite's."""
    known = {frozenset(c.name for c in each.columns) for each in _uniques(table)}
    for unique in pair.now.uniques.values():
        columns = columns_of(unique)
        if frozenset(columns) not in known:
            table.append_constraint(UniqueConstraint(*columns))
    for key in table.foreign_key_constraints:
        actions = pair.now.actions.get(", ".join(sorted(key.column_keys)))
        if actions is not None:
            key.ondelete, key.onupdate = (None if a == "NO ACTION" else a for a in actions)


def _say_column(column: "Column[Any]", wanted: "Column[Any]", pair: Pair) -> None:
    now, then = pair.columns(column.name)
    if now.type == then.type and not isinstance(wanted.type, NullType | DOMAIN):
        column.type = wanted.type
    if now.default == then.default and now.default is not None:
        column.server_default = wanted.server_default
    if column.primary_key:
        column.nullable = False
        column.autoincrement = wanted.autoincrement


def _uniques(table: Table) -> list[UniqueConstraint]:
    return [each for each in table.constraints if isinstance(each, UniqueConstraint)]


def _leave_out_keys(table: Table, ours: set[str], found: Baseline) -> None:
    for key in list(table.foreign_key_constraints):
        target = target_of(key)
        if target in ours:
            found.referred.add(target)
            continue
        columns = ", ".join(key.column_keys)
        found.left_out.add(f"{table.name}.{columns} refers to {target}, which no class has")
        table.constraints.discard(key)
        for element in key.elements:
            element.parent.foreign_keys.discard(element)


def _leave_out_partitions(table: Table, connection: Connection, found: Baseline) -> None:
    if connection.dialect.name != "postgresql":
        return
    name = POSTGRESQL.identifier_preparer.format_table(table)
    parts = text("SELECT pg_get_partkeydef(CAST(:name AS regclass))")
    if (by := connection.scalar(parts, {"name": name})) is not None:
        found.left_out.add(
            f"{table.name} is partitioned by {by}, and becomes one table: write "
            f"postgresql_partition_by={by!r} and its partitions into the revision, if a fresh "
            "database needs them"
        )


def target_of(key: ForeignKeyConstraint) -> str:
    """The key of the table to which a key leads."""
    return key.elements[0].target_fullname.rpartition(".")[0]


def sorted_indexes(table: Table) -> list[Any]:
    """The indexes of a table, in an order that is always the same."""
    return sorted(table.indexes, key=lambda each: str(each.name))


def _in_order(tables: list[Table]) -> list[Table]:
    """Those to which others refer first, as far as that goes."""
    left = sorted(tables, key=lambda each: each.key)
    done: list[Table] = []
    while left:
        waiting = {each.key for each in left}
        free = [each for each in left if not _needs(each) & (waiting - {each.key})]
        chosen = free or left[:1]
        done += chosen
        left = [each for each in left if each not in chosen]
    return done


def _needs(table: Table) -> set[str]:
    """The keys of the tables that have to be there before `table`."""
    inherited = table.dialect_options["postgresql"]["inherits"] or ()
    parents = [inherited] if isinstance(inherited, str) else inherited
    return {*(target_of(key) for key in table.foreign_key_constraints), *parents}


def _adding(key: ForeignKeyConstraint) -> ops.ModifyTableOps:
    name_constraint(key)  # the way back drops it by its name, which SQLite gives none
    operation = ops.CreateForeignKeyOp.from_constraint(key)
    return ops.ModifyTableOps(key.table.name, [operation], schema=key.table.schema)
