"""SQLite (``ENGINE = "trivet_admin.backends.sqlite3"``)."""

from django.db.backends.sqlite3 import base, operations, schema

from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor, UnitWrapper


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = COMPILERS


class DatabaseSchemaEditor(GuardlessSchemaEditor, schema.DatabaseSchemaEditor):
    pass


class DatabaseWrapper(UnitWrapper, base.DatabaseWrapper):
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    def refuse_writes(self) -> None:
        self.connection.execute("PRAGMA query_only = ON")

    def _start_transaction_under_autocommit(self) -> None:
        if self.read_only:
            self.cursor().execute("BEGIN")  # IMMEDIATE would wait for every writer
        else:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]  # private
