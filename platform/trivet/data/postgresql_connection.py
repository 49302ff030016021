"""psycopg's connections: a time limit of statements goes with each BEGIN behind a pooler
(`trivet.data.statement_limit`), and so do the tenants of who acts, where PostgreSQL asks for them
(`trivet.data.tenant_setting`); the position of the log comes with each COMMIT where a client needs
it (`trivet.data.replicas`), and the last statement of a transaction goes with its COMMIT
(`trivet.fixed_statements`). None of them costs a round trip.

Apart from there, because a process on SQLite does not load psycopg.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from psycopg import AsyncConnection, Connection, generators
from psycopg.errors import DatabaseError, error_from_result
from psycopg.pq import ExecStatus, PipelineStatus, TransactionStatus

from trivet.data.exchange import COMMIT, Exchange, is_idle
from trivet.data.replicas.client import ClientPosition, current_client
from trivet.data.replicas.position import BEYOND, WalPosition
from trivet.data.statement_limit import limit_session, to_milliseconds
from trivet.data.watched_socket import WatchedSocket
from trivet_settings.values import Pooler

_COMMIT = (
    b"SELECT txid_current_if_assigned(); COMMIT; "
    b"SELECT wal, ('x' || left(pg_walfile_name(wal), 8))::bit(32)::bigint "
    b"FROM pg_current_wal_insert_lsn() AS wal"
)
"""Whether the transaction has changed anything, its COMMIT, and where the log is after it. The
position at which the next record begins, and not how far the log is flushed, because with
``synchronous_commit = off`` the commit itself may not be."""

_BEGIN_READING = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Limited:
    """What both kinds of connections have in common.

    Attributes:
        statement_seconds: The limit; None is the server's own.
        is_lent: Whether a pooler lends the session for one transaction, so that the limit goes
            with each BEGIN.
        is_replica: Whether the server behind this connection only reads.
        replayed: Up to where it had replayed when it was asked on this connection.
        opening: Statements that go with the next BEGIN.
        find_opening: A function that returns them for every BEGIN; None: those of `opening` go.
        begins_reading: Whether the next BEGIN is that of a transaction which only reads.
    """

    statement_seconds: float | None = None
    is_lent = False
    is_replica = False
    replayed: WalPosition | None = None
    opening: Sequence[bytes] = ()
    find_opening: Callable[[], Sequence[bytes]] | None = None
    begins_reading = False

    def has_replayed(self, position: WalPosition) -> bool:
        """Whether the server is known to have replayed up to `position`. Nothing is known of it
        behind a pooler, where another one may stand by now."""
        known = None if self.is_lent else self.replayed
        return known is not None and known.covers(position)

    def _exec_command(self, command: Any, *args: Any, **options: Any) -> Any:
        """Send a command of the driver's own; behind a pooler a BEGIN with the limit, and a COMMIT
        that asks for the position."""
        send: Any = super()._exec_command  # type: ignore[misc]  # psycopg's, beside us
        wire: Any = self.pgconn  # type: ignore[attr-defined]  # psycopg's too
        if (
            command == b"COMMIT"
            and (client := current_client()) is not None
            and not (self.is_replica or self.read_only)  # type: ignore[attr-defined]  # psycopg's
            and wire.transaction_status == TransactionStatus.INTRANS
        ):
            return (yield from _commit(wire, client))
        if not _begins(command):
            return (yield from send(command, *args, **options))
        if self.begins_reading:
            command, self.begins_reading = _BEGIN_READING, False
        together = [command, *self._with_begin()]
        if len(together) == 1 or wire.pipeline_status != PipelineStatus.OFF:
            result = yield from send(command, *args, **options)
            for each in together[1:]:  # a pipeline sends them at once, and takes one at a time
                yield from send(each, *args, **options)
            return result
        # One message of several commands is one round trip, but psycopg expects one result.
        wire.send_query(b"; ".join(together))
        results = yield from generators.execute(wire)
        for result in results:
            if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                raise error_from_result(result)
        return results[0]

    def _with_begin(self) -> Iterator[bytes]:
        """What goes with a BEGIN, and ends with its transaction."""
        if self.is_lent and self.statement_seconds is not None:
            # The next client of the session has its own.
            yield b"SET LOCAL statement_timeout = %d" % to_milliseconds(self.statement_seconds)
        opening, self.opening = self.opening, ()
        yield from opening if self.find_opening is None else self.find_opening()


def _commit(wire: Any, client: ClientPosition) -> Any:
    """Commit, and let `client` know the position of what was changed."""
    wire.send_query(_COMMIT)
    results = yield from generators.execute(wire)
    committed = [each for each in results if each.status == ExecStatus.COMMAND_OK]
    failed = [each for each in results if each.status == ExecStatus.FATAL_ERROR]
    if not committed:
        raise error_from_result(failed[0])
    if results[0].get_value(0, 0) is not None:
        # If nobody says where it was committed, the client reads from the primary.
        client.note(BEYOND if failed else _position(results[-1]))
    return committed[0]


def _position(result: Any) -> WalPosition:
    lsn, timeline = result.get_value(0, 0), result.get_value(0, 1)
    return WalPosition.of_server(int(timeline), lsn.decode())


def _begins(command: Any) -> bool:
    return isinstance(command, bytes) and command.startswith(b"BEGIN")


class LimitedAsyncConnection(WatchedSocket, _Limited, AsyncConnection[Any]):
    """For the event loop. It sends fixed statements itself."""

    _exchange: Exchange | None = None

    async def exchange(
        self, query: bytes, values: Sequence[Any]
    ) -> tuple[list[tuple[Any, ...]], list[int]]:
        """Send a statement; see `trivet.fixed_statements.Exchanging`."""
        async with self.lock:
            found: tuple[list[tuple[Any, ...]], list[int]] = await self.wait(
                self._ask(query, values)
            )
        return found

    def send_with_commit(self, query: bytes, values: Sequence[Any]) -> bool:
        """Send a statement with the COMMIT; see `trivet.fixed_statements.Exchanging`."""
        is_begun = self.pgconn.transaction_status == TransactionStatus.INTRANS
        if is_begun:
            self._own.last = query, values
        return is_begun

    async def rollback(self) -> None:
        self._own.last = None
        # As when a connection goes back to the pool after its COMMIT.
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            await super().rollback()

    @property
    def _own(self) -> Exchange:
        if self._exchange is None:
            self._exchange = Exchange(self)
        return self._exchange

    def _ask(self, query: bytes, values: Sequence[Any]) -> Any:
        yield from self._own.send_last()
        return (yield from self._own.rows(query, values, beginning=self.beginning()))

    def beginning(self) -> Sequence[bytes]:
        """The commands that begin a transaction, if there is none and there should be one."""
        if self.autocommit or not is_idle(self):
            return ()
        return (self._get_tx_start_command(), *self._with_begin())

    def _start_query(self) -> Any:
        # Whatever a cursor sends, the statement that was to be the last comes before it.
        yield from self._own.send_last()
        yield from super()._start_query()

    def _exec_command(self, command: Any, *args: Any, **options: Any) -> Any:
        if command != COMMIT or self._own.last is None:
            return (yield from super()._exec_command(command, *args, **options))
        try:
            if current_client() is None:
                return (yield from self._own.commit())
            yield from self._own.send_last()
        except DatabaseError:
            # A COMMIT that fails ends the transaction, and nobody would end it afterwards.
            if self.pgconn.transaction_status == TransactionStatus.INERROR:
                yield from self._rollback_gen()
            raise
        return (yield from super()._exec_command(command, *args, **options))

    async def begin(self) -> None:
        """Begin the transaction that the next statement would begin; in autocommit there is
        none."""
        async with self.lock:
            await self.wait(self._start_query())


class LimitedConnection(_Limited, Connection[Any]):
    """For Django."""

    def limit_statements(self, seconds: float | None, pooler: Pooler) -> None:
        """Set the limit, unless it is set already. The connection is in autocommit."""
        if self.statement_seconds == seconds:
            return
        self.statement_seconds = seconds
        with self.cursor() as cursor:
            self.is_lent = limit_session(cursor, self, pooler)


def connecting(seconds: float | None) -> Callable[..., Awaitable[LimitedAsyncConnection]]:
    """The function by which SQLAlchemy connects. `trivet.data.postgresql` sets the limit then."""

    async def connect(*args: Any, **options: Any) -> LimitedAsyncConnection:
        try:
            connection = await LimitedAsyncConnection.connect(*args, **options)
        except asyncio.CancelledError as cancelled:
            # Its traceback holds what was being made, and SQLAlchemy holds the traceback in a
            # circle: the socket would stay open until the garbage collector comes.
            raise cancelled.with_traceback(None) from None
        connection.statement_seconds = seconds
        return connection

    return connect
