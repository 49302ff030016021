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
