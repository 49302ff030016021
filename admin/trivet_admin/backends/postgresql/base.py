"""PostgreSQL (``ENGINE = "trivet_admin.backends.postgresql"``)."""

import atexit
from typing import Any

from django.db.backends.postgresql import base, operations, schema
from django.db.transaction import TransactionManagementError
from psycopg.pq import TransactionStatus

from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor, UnitWrapper


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = COMPILERS


class DatabaseSchemaEditor(GuardlessSchemaEditor, schema.DatabaseSchemaEditor):
    pass


class DatabaseWrapper(UnitWrapper, base.DatabaseWrapper):
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    @property
    def pool(self) -> Any:
        """Django's pool of connections, closed when the process ends: left to the garbage
        collector it would wait for threads that no longer run."""
        is_new = self.alias not in self._connection_pools  # type: ignore[attr-defined]  # private
        pool: Any = super().pool
        if is_new and pool is not None:
            atexit.register(pool.close)
        return pool

    def require_intact(self) -> None:
        # A failed statement whose error was swallowed without a savepoint: the COMMIT would be
        # a ROLLBACK, and neither the server nor the driver calls that an error.
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            raise TransactionManagementError(
                "a statement failed and its error was swallowed, so PostgreSQL has given the "
                "transaction up; put what may fail into 'with transaction.atomic():'"
            )

    def refuse_writes(self) -> None:
        with self.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
