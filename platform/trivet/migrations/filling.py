"""NOT NULL on rows that are there: the column takes NULL, then it is filled, then it does not.

The three steps stand in one revision, in an order that both databases run. The value is written as
the SQL of either, because each stores some types in its own way.
"""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    MetaData,
    Table,
    column,
    func,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeEngine

from trivet.errors import ConfigurationError
from trivet.migrations.answers import Answers, inner_type
from trivet.migrations.conversions import POSTGRESQL
from trivet.migrations.risks import FILLED

_SQLITE: Dialect = sqlite.dialect()


class FillOp(MigrateOperation):
    """Give rows without a value of a column one. The way back leaves them."""

    def __init__(self, wanted: "Column[Any] | None", value: Any = None) -> None:
        self.wanted = wanted
        self.value = value

    def reverse(self) -> "FillOp":
        """The way back does nothing."""
        return FillOp(None)

    def statement(self, dialect: Dialect) -> str:
        """The UPDATE in the words of a database."""
        assert self.wanted is not None
        filled: Any = column(self.wanted.name, self.wanted.type)
        rows = table(self.wanted.table.name, filled, schema=self.wanted.table.schema)
        change = update(rows).where(filled.is_(None))
        try:
            said = _compiled(change.values({filled: self.value}), dialect)
        except CompileError:
            known: Any = literal_column(_literal(self.wanted.type, self.value, dialect))
            said = _compiled(change.values({filled: known}), dialect)
        return said.replace(":", "\\:")


def _compiled(statement: Any, dialect: Dialect) -> str:
    said = str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    if dialect.identifier_preparer._double_percents:  # noqa: SLF001  # pinned by a test
        said = said.replace("%%", "%")
    return " ".join(said.split("\n"))


def _literal(kind: TypeEngine[Any], value: Any, dialect: Dialect) -> str:
    """What a type gives to its driver, as SQL, where SQLAlchemy writes no literal of it."""
    if isinstance(inner_type(kind), JSON):
        return f"'{json.dumps(value).replace(chr(39), chr(39) * 2)}'"
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    stored = value if process is None else process(value)
    if isinstance(stored, bytes):
        return f"X'{stored.hex()}'" if dialect.name == "sqlite" else f"'\\x{stored.hex()}'"
    if isinstance(stored, dt.timedelta):
        return f"'{stored.total_seconds()} seconds'"
    if isinstance(stored, (int, float, Decimal)):
        return str(stored)
    escaped = str(stored).replace("'", "''")
    return f"'{escaped}'"


@renderers.dispatch_for(FillOp)
def _render(_context: Any, operation: FillOp) -> list[str]:
    if operation.wanted is None:
        return []
    ours, theirs = operation.statement(POSTGRESQL), operation.statement(_SQLITE)
    if ours == theirs:
        return [f"op.execute({ours!r})"]
    return [
        "if op.get_context().dialect.name == 'postgresql':",
        f"op.execute({ours!r})",
        "else:",
        f"op.execute({theirs!r})",
        "",
    ]


def fill(connection: Connection, upgrade: ops.UpgradeOps, tables: Any, answers: Answers) -> None:
    """Put the three steps in the place of the one, where rows ask for a value or one is given."""
    changed: list[MigrateOperation] = []
    for operation in upgrade.ops:
        changed.append(operation)
        if isinstance(operation, ops.ModifyTableOps):
            schema, name = operation.schema, operation.table_name
            wanted = tables.get(f"{schema}.{name}" if schema else name)
            if wanted is not None:
                changed += _steps(connection, operation, wanted, answers)
    upgrade.ops = changed


def _steps(
    connection: Connection, change: ops.ModifyTableOps, wanted: Table, answers: Answers
) -> Iterator[MigrateOperation]:
    copy = wanted.to_metadata(MetaData())
    strict: list[MigrateOperation] = []
    for each in list(change.ops):
        name = name_of_strict(each)
        if name is None or not _needs_value(connection, each, wanted, name, answers):
            continue
        value = answers.value_for(wanted.c[name])
        if isinstance(each, ops.AddColumnOp):
            each.column = copy.c[name]
            each.column.nullable = True
        elif isinstance(each, ops.AlterColumnOp):
            each.modify_nullable = None
            if not each.has_changes():
                change.ops.remove(each)
        yield filling(wanted.c[name], value)
        last = ops.AlterColumnOp(
            wanted.name,
            name,
            schema=wanted.schema,
            existing_type=wanted.c[name].type,
            modify_nullable=False,
        )
        last.info[FILLED] = True
        strict.append(last)
    if strict:
        yield ops.ModifyTableOps(wanted.name, strict, schema=wanted.schema)


def filling(wanted: "Column[Any]", value: Any) -> FillOp:
    """Raises ConfigurationError for a value that the column's type cannot write."""
    operation = FillOp(wanted, value)
    try:
        for dialect in (POSTGRESQL, _SQLITE):
            operation.statement(dialect)
    except Exception as error:  # a type of anybody's raises what it likes
        raise ConfigurationError(
            "wrong-value",
            f"{wanted.table.name}.{wanted.name} cannot be given {value!r}: {error}. Cure: another "
            "--value, or a server_default, or a revision by hand.",
        ) from error
    return operation


def name_of_strict(operation: MigrateOperation) -> str | None:
    """The column that an operation lets take no NULL, without a value of its own."""
    if isinstance(operation, ops.AddColumnOp):
        new = operation.column
        is_given = new.server_default is not None or new.nullable
        return None if is_given else new.name
    if isinstance(operation, ops.AlterColumnOp) and operation.modify_nullable is False:
        return operation.column_name
    return None


def _needs_value(
    connection: Connection, operation: Any, wanted: Table, name: str, answers: Answers
) -> bool:
    if f"{wanted.name}.{name}" in answers.values:
        return True
    known: Any = column(operation.column_name if isinstance(operation, ops.AlterColumnOp) else name)
    rows = select(func.count()).select_from(table(wanted.name, schema=wanted.schema))
    if isinstance(operation, ops.AlterColumnOp):
        rows = rows.where(known.is_(None))
    return bool(connection.scalar(rows.limit(1)))
