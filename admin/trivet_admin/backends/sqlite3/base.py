"""SQLite (``ENGINE = "trivet_admin.backends.sqlite3"``)."""

from typing import Any

from django.db.backends.sqlite3 import base, operations, schema

from trivet.data.statement_limit import LimitedSqliteConnection
from trivet_admin import runtime
from trivet_admin.backends.whole_names import WholeNames
from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor, UnitWrapper


class DatabaseOperations(WholeNames, operations.DatabaseOperations):
    compiler_module = COMPILERS


class DatabaseSchemaEditor(GuardlessSchemaEditor, schema.DatabaseSchemaEditor):
    pass


class DatabaseWrapper(UnitWrapper, base.DatabaseWrapper):
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "factory": LimitedSqliteConnection}

    def get_new_connection(self, conn_params: Any) -> Any:
        connection = super().get_new_connection(conn_params)
        if (seconds := runtime.statement_seconds()) is not None:
            # A stream rests while its client reads, and that time is not the statement's.
            connection.limit_statements(seconds, lambda: self.is_streaming)
        return connection

    def refuse_writes(self) -> None:
        self.connection.execute("PRAGMA query_only = ON")

    def _start_transaction_under_autocommit(self) -> None:
        if self.read_only:
            self.cursor().execute("BEGIN")  # IMMEDIATE would wait for every writer
        else:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # private
