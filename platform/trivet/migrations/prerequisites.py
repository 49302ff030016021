"""What PostgreSQL wants to be there before new tables: their schemas, sequences that number their
rows, and the extensions of their types and indexes. Alembic makes none of them, and the first
insert, or the revision itself, would fail.

A schema or an extension that is there already needs no right to make one, and the way back leaves
it, because other tables may have it by then.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Column, Sequence
from sqlalchemy.schema import CreateSequence, DropSequence

from trivet.migrations.conversions import POSTGRESQL
from trivet.migrations.extensions import extension_sql, extensions_of


class PrepareOp(MigrateOperation):
    """Execute `statements` of PostgreSQL; other databases pass them by."""

    def __init__(self, statements: Iterable[str]) -> None:
        self.statements = tuple(statements)


def prepare(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Put before what a revision makes what it needs, and take the sequences back at its end."""
    sequences = {POSTGRESQL.identifier_preparer.format_sequence(s): s for s in _sequences(upgrade)}
    made = [extension_sql(each) for each in sorted(extensions_of(_new_things(upgrade.ops)))]
    made += [_make_schema(each) for each in sorted(_schemas(upgrade))]
    for _, each in sorted(sequences.items()):
        made.append(_sql(CreateSequence(each, if_not_exists=True)))
    if made:
        upgrade.ops.insert(0, PrepareOp(made))
    if sequences:
        gone = [_sql(DropSequence(each, if_exists=True)) for _, each in sorted(sequences.items())]
        downgrade.ops.append(PrepareOp(gone))


def _schemas(upgrade: ops.UpgradeOps) -> set[str]:
    made = (each for each in upgrade.ops if isinstance(each, ops.CreateTableOp))
    return {each.schema for each in made if each.schema is not None}


def _sequences(upgrade: ops.UpgradeOps) -> Iterator[Sequence]:
    for each in _new_things(upgrade.ops):
        if isinstance(each, Column) and isinstance(each.default, Sequence):
            yield each.default


def _new_things(operations: Iterable[Any]) -> Iterator[Any]:
    """The columns, constraints and indexes that come in, and columns of a new type."""
    for each in operations:
        if isinstance(each, ops.CreateTableOp):
            yield from each.columns
        elif isinstance(each, ops.ModifyTableOps):
            yield from _new_things(each.ops)
        elif isinstance(each, ops.AddColumnOp):
            yield each.column
        elif isinstance(each, ops.CreateIndexOp):
            yield each.to_index()
        elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
            yield Column(each.column_name, each.modify_type)


def _make_schema(name: str) -> str:
    quoted, text = POSTGRESQL.identifier_preparer.quote(name), name.replace("'", "''")
    missing = f"NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = '{text}')"
    return f"DO $$ BEGIN IF {missing} THEN CREATE SCHEMA {quoted}; END IF; END $$"


def _sql(statement: CreateSequence | DropSequence) -> str:
    return str(statement.compile(dialect=POSTGRESQL)).strip()


@renderers.dispatch_for(PrepareOp)
def _render(_context: Any, operation: PrepareOp) -> list[str]:
    only = "if op.get_context().dialect.name == 'postgresql':"
    return [only, *(f"op.execute({each!r})" for each in operation.statements), ""]
