"""Keys that SQLite numbers, and gives once.

Without AUTOINCREMENT it gives the key of the newest row again when that row is deleted, and what
was known of the old row would be taken for the new one's. PostgreSQL never does it. So new tables
have AUTOINCREMENT, unless their classes say otherwise; those that are there stay as they are.

Alembic changes a table of SQLite by a copy that takes its place. The copy would lack AUTOINCREMENT,
which SQLAlchemy does not reflect, and would go on from the largest key that is left. Here it gets
both from the table that it replaces.
"""

from typing import Any

from alembic.ddl.sqlite import SQLiteImpl
from alembic.operations import ops
from alembic.operations.batch import ApplyBatchImpl, BatchOperationsImpl
from sqlalchemy import Connection, Inspector, PrimaryKeyConstraint, Table, inspect, text
from sqlalchemy.dialects.sqlite import dialect

from trivet.migrations.sql_text import words

OPTION = "sqlite_autoincrement"
_SQLITE = dialect()
_TABLE = "SELECT sql FROM {}sqlite_master WHERE type = 'table' AND name = :name"
_GO_ON = """
INSERT INTO {0}sqlite_sequence (name, seq)
SELECT :copy, seq FROM {0}sqlite_sequence WHERE name = :name
"""


def number_once(operation: ops.CreateTableOp) -> None:
    """Let SQLite give each key of a new table once. A class that says `OPTION` itself keeps it.

    It has to be asked before foreign keys are taken out of `operation`.
    """
    if OPTION not in operation.kw and _is_numbered(operation.to_table()):
        operation.kw[OPTION] = True


def _is_numbered(table: Table) -> bool:
    """Whether SQLite numbers the rows, and takes the word AUTOINCREMENT for it."""
    key = table.autoincrement_column
    return (
        key is not None
        and len(table.primary_key) == 1
        and not key.foreign_keys
        and key.type.compile(dialect=_SQLITE) == "INTEGER"
        and bool(table.dialect_options["sqlite"]["with_rowid"])
    )


class NumberingSqliteImpl(SQLiteImpl):
    """Alembic's way with SQLite; it takes the newest class of a dialect."""

    __dialect__ = "sqlite"

    def autogen_column_reflect(
        self, inspector: Inspector, table: Table, column_info: dict[str, Any]
    ) -> None:
        """Let a reflected table say that it has AUTOINCREMENT, before a copy of it is made."""
        super().autogen_column_reflect(inspector, table, column_info)
        if column_info["primary_key"] and _has_autoincrement(inspector, table):
            table.dialect_kwargs[OPTION] = True

    def requires_recreate_in_batch(self, batch_op: BatchOperationsImpl) -> bool:
        """Let a revision drop the key by its name, which it has on PostgreSQL alone: SQLAlchemy
        writes AUTOINCREMENT without one."""
        for kind, arguments, _ in batch_op.batch:
            is_key = kind == "drop_constraint" and isinstance(arguments[0], PrimaryKeyConstraint)
            if is_key and not batch_op.naming_convention:
                batch_op.naming_convention = {"pk": str(arguments[0].name).replace("%", "%%")}
        return super().requires_recreate_in_batch(batch_op)

    def prep_table_for_batch(self, batch_impl: ApplyBatchImpl, table: Table) -> None:
        """Let the copy that comes go on counting where `table` is, if its key is still such a one.
        SQLite's counters are rows, of which one goes with a table that is dropped, and takes the
        name of one that is renamed."""
        super().prep_table_for_batch(batch_impl, table)
        connection, copy = self.connection, batch_impl.new_table
        assert connection is not None, "a table is copied in its database"
        assert copy is not None, "it is about to be made"
        if not copy.dialect_kwargs.get(OPTION):
            return
        if not _is_numbered(copy):
            copy.dialect_kwargs[OPTION] = False
        elif inspect(connection).has_table("sqlite_sequence", schema=table.schema):
            given = {"copy": copy.name, "name": table.name}
            connection.execute(text(_GO_ON.format(_place(connection, table))), given)


def _has_autoincrement(inspector: Inspector, table: Table) -> bool:
    connection = inspector.bind
    assert isinstance(connection, Connection), "a revision has a connection"
    sql = connection.scalar(text(_TABLE.format(_place(connection, table))), {"name": table.name})
    return sql is not None and "autoincrement" in words(sql)


def _place(connection: Connection, table: Table) -> str:
    if table.schema is None:
        return ""
    return f"{connection.dialect.identifier_preparer.quote(table.schema)}."
