"""What PostgreSQL wants to be there before new tables: their schemas, and sequences that number
their rows. Alembic makes neither, and the first insert, or the revision itself, would fail.

A schema that is there already needs no right to make one, and the way back leaves it, because other
tables may have it by then.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Column, Sequence
from sqlalchemy.schema import CreateSequence, DropSequence

from trivet.migrations.conversions import POSTGRESQL


class PrepareOp(MigrateOperation):
    """Execute `statements` of PostgreSQL; other databases pass them by."""

    def __init__(self, statements: Iterable[str]) -> None:
        self.statements = tuple(statements)


def prepare(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Put before what a revision makes what it needs, and take the sequences back at its end."""
    sequences = {POSTGRESQL.identifier_preparer.format_sequence(s): s for s in _sequences(upgrade)}
    made = [_make_schema(each) for each in sorted(_schemas(upgrade))]
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
    for column in _new_columns(upgrade.ops):
        if isinstance(column.default, Sequence):
            yield column.default


def _new_columns(operations: Iterable[Any]) -> Iterator["Column[Any]"]:
    for each in operations:
        if isinstance(each, ops.CreateTableOp):
            yield from (column for column in each.columns if isinstance(column, Column))
        elif isinstance(each, ops.ModifyTableOps):
            yield from _new_columns(each.ops)
        elif isinstance(each, ops.AddColumnOp):
            yield each.column


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
