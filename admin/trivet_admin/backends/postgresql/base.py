"""PostgreSQL (``ENGINE = "trivet_admin.backends.postgresql"``)."""

import atexit
from collections.abc import Sequence
from time import monotonic
from typing import Any, ClassVar, Self

from django.db.backends.postgresql import base, operations, schema
from django.db.transaction import TransactionManagementError
from psycopg import Error
from psycopg.pq import TransactionStatus
from psycopg_pool import PoolTimeout

from trivet.data.postgresql_connection import LimitedConnection
from trivet.data.replicas.client import current_client
from trivet.data.tenant_setting import opening_of
from trivet.origin import current_origin
from trivet_admin import runtime
from trivet_admin.backends.guard import writes
from trivet_admin.backends.postgresql.replicas import ReplicaWrapper
from trivet_admin.backends.shared_connection import dialect_of
from trivet_admin.backends.whole_names import WholeNames
from trivet_admin.backends.wrapper import COMPILERS, GuardlessSchemaEditor
from trivet_admin.configuration import POOL_TIMEOUT_SECONDS


class PooledConnection(LimitedConnection):
    """A connection of Django's pool, which remembers why the last attempt to connect failed."""

    _failure: ClassVar[tuple[float, Error] | None] = None

    @classmethod
    def connect(cls, *args: Any, **options: Any) -> Self:
        try:
            return super().connect(*args, **options)
        except Error as error:
            PooledConnection._failure = monotonic(), error
            raise

    @classmethod
    def find_failure(cls, since: float) -> Error | None:
        """The last failure, if it is not older than `since` (of `time.monotonic`)."""
        failure = PooledConnection._failure
        return failure[1] if failure is not None and failure[0] >= since else None


class DatabaseOperations(WholeNames, operations.DatabaseOperations):
    compiler_module = COMPILERS


class DatabaseSchemaEditor(GuardlessSchemaEditor, schema.DatabaseSchemaEditor):
    pass


class DatabaseWrapper(ReplicaWrapper, base.DatabaseWrapper):
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.execute_wrappers.append(self._give_transaction)

    @property
    def pool(self) -> Any:
        """Django's pool of connections, closed when the process ends: left to the garbage
        collector it would wait for threads that no longer run."""
        is_new = self.alias not in self._connection_pools  # type: ignore[attr-defined]  # private
        pool: Any = super().pool
        if is_new and pool is not None:
            pool.connection_class = PooledConnection  # nobody has connected yet
            atexit.register(pool.close)
        return pool

    def get_new_connection(self, conn_params: Any) -> Any:
        """A connection that answers, to a replica if there is one to read from. Raises PoolTimeout
        if there is none in time.

        The pool's own check sleeps after each dead connection that it finds, and twice as long
        after the next: three of them cost a request its five seconds, though the database is long
        back. And the pool tries to connect only when somebody begins to wait, so a wait is made of
        short ones: who waits when the database comes back is served, not only who comes later.
        """
        if (found := self.connect_to_replica()) is not None:
            return self._asking(found)
        began = monotonic()
        deadline = began + POOL_TIMEOUT_SECONDS
        while True:
            try:
                connection = super().get_new_connection(conn_params)
            except PoolTimeout as error:
                if monotonic() >= deadline:
                    # The pool connects on threads of its own, and its error gives no reason.
                    raise error from PooledConnection.find_failure(since=began)
                continue
            if self.pool is None:
                return self._asking(connection)
            try:
                self.pool.check_connection(connection)
                connection.limit_statements(runtime.statement_seconds(), runtime.pooler())
            except Error:
                self.pool.putconn(connection)  # which replaces it, as it is dead
            else:
                return self._asking(connection)

    def find_connect_failure(self, since: float) -> Exception | None:
        return PooledConnection.find_failure(since)

    def _asking(self, connection: Any) -> Any:
        """`connection`, which asks at each BEGIN whose rows PostgreSQL shows."""
        connection.find_opening = self._find_opening
        connection.begins_reading = False
        return connection

    def _find_opening(self) -> Sequence[bytes]:
        """What tells PostgreSQL the tenants of who acts; nothing where no rule needs it. While a
        schema editor is open the product itself acts."""
        rules = runtime.capture().rules
        if not rules.tenants.secures:
            return ()
        actor = None if self.unguarded else (self.origin or current_origin()).actor
        return opening_of(rules, actor, self.connection, dialect_of("postgresql"))

    def _give_transaction(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """A statement outside of a transaction: behind a pooler it gets one, with which its time
        limit goes; a write gets one whose COMMIT says where its client will find it; and one about
        rows of tenants gets one with which these go."""
        raw = self.connection
        needs_one = isinstance(raw, LimitedConnection) and (
            raw.is_lent or (current_client() is not None and writes(sql)) or _is_secured(sql)
        )
        if not needs_one or not raw.autocommit:
            return execute(sql, params, many, context)
        with raw.transaction():
            return execute(sql, params, many, context)

    def require_intact(self) -> None:
        # A failed statement whose error was swallowed without a savepoint: the COMMIT would be
        # a ROLLBACK, and neither the server nor the driver calls that an error.
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            raise TransactionManagementError(
                "a statement failed and its error was swallowed, so PostgreSQL has given the "
                "transaction up; put what may fail into 'with transaction.atomic():'"
            )

    def refuse_writes(self) -> None:
        raw = self.connection
        is_idle = raw.info.transaction_status == TransactionStatus.IDLE
        if isinstance(raw, LimitedConnection) and is_idle:
            # Behind what goes with the BEGIN it would be too late to say it.
            raw.begins_reading = True
            return
        with self.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _is_secured(sql: Any) -> bool:
    """Whether a statement may be about rows of tenants that PostgreSQL keeps apart."""
    tenants = runtime.capture().rules.tenants
    return tenants.secures and tenants.mentions(str(sql))
