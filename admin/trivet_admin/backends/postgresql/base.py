"""PostgreSQL (``ENGINE = "trivet_admin.backends.postgresql"``)."""

from django.db.backends.postgresql import base, operations, schema

from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor, UnitWrapper


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = COMPILERS


class DatabaseSchemaEditor(GuardlessSchemaEditor, schema.DatabaseSchemaEditor):
    pass


class DatabaseWrapper(UnitWrapper, base.DatabaseWrapper):
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor
