"""PostgreSQL (``ENGINE = "trivet_admin.backends.postgresql"``)."""

import atexit
from time import monotonic
from typing import Any

from django.db.backends.postgresql import base, operations, schema
from django.db.transaction import TransactionManagementError
from psycopg import Error
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor, UnitWrapper
from trivet_admin.configuration import POOL_TIMEOUT_SECONDS


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

    def get_new_connection(self, conn_params: Any) -> Any:
        """A connection that answers. Raises PoolTimeout if there is none in time.

        The pool's own check sleeps after each dead connection that it finds, and twice as long
        after the next: three of them cost a request its five seconds, though the database is long
        back. And the pool tries to connect only when somebody begins to wait, so a wait is made of
        short ones: who waits when the database comes back is served, not only who comes later.
        """
        deadline = monotonic() + POOL_TIMEOUT_SECONDS
        while True:
            try:
                connection = super().get_new_connection(conn_params)
            except PoolTimeout:
                if monotonic() >= deadline:
                    raise
                continue
            if self.pool is None:
                return connection
            try:
                self.pool.check_connection(connection)
            except Error:
                self.pool.putconn(connection)  # which replaces it, as it is dead
            else:
                return connection

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
