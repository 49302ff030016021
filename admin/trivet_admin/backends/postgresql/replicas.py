"""Where a connection of Django's reads from a replica, and when it stops.

Django knows one database, and so do the applications in it: which server answers is decided by
the connection. A safe request begins at the replica that the platform's router has chosen for it.
It goes on at the primary, for good, with its first write, its first transaction, its first look at
a session's data (who is logged in must not be of yesterday), and with the first statement that the
replica cannot answer. A unit that only reads (`run_with_django` in a GET) stands on the replica as
a whole.
"""

from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DatabaseError
from psycopg import Error, IsolationLevel
from psycopg_pool import PoolTimeout

from trivet.data.outages import READ_ONLY, Outage, find_outage
from trivet.data.postgresql_connection import LimitedConnection
from trivet.data.replicas.client import current_client
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.replica import POOL_SECONDS, Replica
from trivet.data.replicas.server import LOOK, ServerState
from trivet.data.statement_limit import is_over_limit
from trivet_admin import runtime
from trivet_admin.backends.guard import writes
from trivet_admin.backends.wrapper import UnitWrapper

_SESSIONS = '"django_session"'

_pools: WeakKeyDictionary[Replica, Any] = WeakKeyDictionary()
"""Django's pools of connections to replicas, for the whole process."""


class ReplicaWrapper(UnitWrapper):
    """Mixed into PostgreSQL's wrapper: reads from `replica`, if one is set, until it writes."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_on_replica = False
        self._left: tuple[Any, Any] | None = None
        self.execute_wrappers.append(self._choose_server)

    def connect_to_replica(self) -> LimitedConnection | None:
        """A connection to `replica` that shows everything that the client has to see, or None."""
        self.is_on_replica = False
        replica, client = self.replica, current_client()
        if replica is None or not replica.is_usable:
            return None
        position = None if client is None else client.newest
        connection = _connect(self._pool_of(replica), replica, position)
        if connection is not None:
            self.isolation_level = IsolationLevel.READ_COMMITTED  # as Django's own has it
            self.is_on_replica = True
        return connection

    def set_autocommit(
        self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
    ) -> None:
        if not autocommit and not self.read_only and self.is_on_replica:
            self._leave_replica()
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)

    def close(self) -> None:
        try:
            super().close()
        finally:
            left, self._left = self._left, None
            self.replica, self.is_on_replica = None, False
            if left is not None:
                pool, connection = left
                pool.putconn(connection)

    def tell_outage(self, outage: Outage) -> None:
        if not self.is_on_replica:
            super().tell_outage(outage)
        elif self.replica is not None and (outage.spoils or self.connection.closed):
            self.replica.pass_over(outage.state)

    def throw_away(self) -> None:
        # Closed, the pool replaces it; those in use are closed when they come back.
        self.connection.close()
        wrapper: Any = self  # Django's has the pool to the primary
        replica = self.replica if self.is_on_replica else None
        pool = wrapper.pool if replica is None else self._pool_of(replica)
        if pool is not None:
            pool.drain()

    def _choose_server(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """A statement outside of a transaction: one that the replica may not answer, or cannot, is
        the primary's. Nothing has come of it, so it can be sent again."""
        if not self.is_on_replica or self.in_atomic_block:
            return execute(sql, params, many, context)
        if writes(sql) or _SESSIONS in str(sql):
            self._leave_replica(context["cursor"])
            return execute(sql, params, many, context)
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            outage = find_outage(error)
            if outage is None or (error.__cause__ and is_over_limit(error.__cause__)):
                raise
            if self.connection.closed and self.replica is not None:
                self.replica.fail(error)
            self._leave_replica(context["cursor"])
        if outage is not READ_ONLY:
            return execute(sql, params, many, context)
        with self.connection.transaction():  # a function that writes: its client shall see it
            return execute(sql, params, many, context)

    def _leave_replica(self, wrapped: Any = None) -> None:
        """Go on at the primary. Cursors that are open go on where they are, except the one that is
        `wrapped`, which has no result yet."""
        assert self.replica is not None, "only such a connection stands on a replica"
        self._left = self._pool_of(self.replica), self.connection
        self.connection: Any = None
        self.replica, self.is_on_replica = None, False
        self.connect()
        if wrapped is not None:
            # Only a cursor of the server has a name.
            wrapped.cursor = self.create_cursor(getattr(wrapped.cursor, "name", None))

    def _pool_of(self, replica: Replica) -> Any:
        """Django's pool of connections to `replica`, made as Django makes that to the primary."""
        pool = _pools.get(replica)
        if pool is None:
            settings = {**self.settings_dict, **runtime.replica_database(replica)}
            alias = f"{self.alias} at {replica.name} {id(replica)}"
            made: Any = type(self)(settings, alias)
            pool = made.pool
            pool.connection_class = LimitedConnection
            _pools[replica] = pool
        return pool


def _connect(pool: Any, replica: Replica, position: WalPosition | None) -> LimitedConnection | None:
    deadline = monotonic() + POOL_SECONDS
    pool.open()
    while (left := deadline - monotonic()) > 0:
        try:
            connection: LimitedConnection = pool.getconn(timeout=left)
        except PoolTimeout as error:
            replica.fail(error)  # there are as many connections as threads
            return None
        try:
            connection.is_replica = True
            connection.limit_statements(runtime.statement_seconds(), runtime.pooler())
            if position is None or connection.has_replayed(position):
                pool.check_connection(connection)
                return connection
            if replica.accept(connection, _ask(connection), position):
                return connection
        except Error:
            pool.putconn(connection)  # which replaces it, as it is dead
        else:
            pool.putconn(connection)
            return None
    return None


def _ask(connection: LimitedConnection) -> ServerState:
    row = connection.execute(LOOK).fetchone()
    assert row is not None
    return ServerState.read(row)
