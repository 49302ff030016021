"""The database: sealed sessions on one pool, that publish what they commit."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import anyio.to_thread
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from trivet.data import sqlite
from trivet.data.capture import Capture
from trivet.data.compiled_read import CompiledRead, Rows
from trivet.data.engine import Engines
from trivet.data.outages import READ_ONLY, Outage
from trivet.data.sealed_session import SealedSession
from trivet.data.tenant_setting import opening_of
from trivet.identity.identity import Identity
from trivet.identity.revocation import Revocation
from trivet.observation import Observers, UnitEnded, UnitOutcome, reason_of
from trivet.origin import Origin, current_origin
from trivet_settings.values import Pooler

T = TypeVar("T")

_IS_READ_ONLY = text(
    "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'"
)
"""A standby, or a server that is set to read-only. ``transaction_read_only`` would name our own
transaction, which a single query has behind a pooler."""


class Database:
    """The async leg's connections.

    Attributes:
        capture: The feeds, the audit trail and the rules for the changes that sessions flush.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``.
        capture: The same object for every door of the process.
        on_published: Called after a commit, with the channels that it published to and their
            newest offsets: the wake-up.
        on_revoked: Called after a commit for each credential that it ends.
        connections: The bound of the pool.
        statement_seconds: The limit of a statement; None is the database's own.
        timeout: The seconds for which a unit waits for a connection. After that it raises
            sqlalchemy.exc.TimeoutError, which the rooms answer with 503.
        observers: The listeners for units and for waits for connections.
        pooler: The kind of pooler that stands in front of PostgreSQL.
    """

    def __init__(
        self,
        url: str,
        *,
        capture: Capture,
        on_published: Callable[[Mapping[str, int]], None] = lambda _published: None,
        on_revoked: Callable[[Revocation], None] | None = None,
        connections: int = 10,
        timeout: float = 5.0,
        statement_seconds: float | None = None,
        observers: Observers | None = None,
        pooler: Pooler = "none",
    ) -> None:
        self.capture = capture
        self.on_published = on_published
        self._on_revoked = on_revoked
        self.observers = observers or Observers()
        self.statement_seconds = statement_seconds
        self._concerning: WeakKeyDictionary[CompiledRead, bool] = WeakKeyDictionary()
        self._engines = Engines(
            url,
            connections=connections,
            timeout=timeout,
            observers=self.observers,
            pooler=pooler,
            statement_seconds=statement_seconds,
        )
        self.is_sqlite = self._engines.is_sqlite

    @property
    def secures(self) -> bool:
        """Whether PostgreSQL asks for the tenants of who acts (`trivet.rules.row_security`)."""
        return not self.is_sqlite and self.capture.rules.tenants.secures

    @property
    def is_open(self) -> bool:
        """Whether the engine exists. The first unit with data makes it."""
        return self._engines.is_made

    @property
    def engine(self) -> AsyncEngine:
        """The engine whose transactions write."""
        return self._engines.writing

    @property
    def read_engine(self) -> AsyncEngine:
        """The same engine and pool, whose transactions only read, and see one moment."""
        return self._engines.reading

    @property
    def single_query_engine(self) -> AsyncEngine:
        """The same engine and pool, for sessions that read by one statement."""
        return self._engines.single_query

    def open_session(
        self,
        origin: Origin | None = None,
        *,
        read_only: bool = False,
        single_query: bool = False,
        observed: bool = True,
        across_tenants: bool = False,
        find_connection: Callable[[], Connection | None] | None = None,
    ) -> SealedSession:
        """A session that has no connection yet, with the right to end its transaction.

        The caller has to end it, so prefer `unit`. With `observed`, observers get its end; with
        `across_tenants` it is the product's own, whoever has caused it. `find_connection` may find
        one to another server (`trivet.data.replicas`).
        """
        engine = self.read_engine if read_only else self.engine
        if single_query:
            engine = self._engines.single_query_within if self.secures else self.single_query_engine
        return SealedSession(
            engine,
            capture=self.capture,
            origin=origin or current_origin(),
            read_only=read_only or single_query,
            observers=self.observers if observed else None,
            across_tenants=across_tenants,
            find_connection=find_connection,
            on_revoked=self._on_revoked,
        )

    @asynccontextmanager
    async def unit(
        self,
        origin: Origin | None = None,
        *,
        actor: Identity | None = None,
        read_only: bool = False,
    ) -> AsyncIterator[AsyncSession]:
        """A sealed session that commits at the end of the block, rolls back on an exception, and
        reports its publications.

        It is for the platform's own reads and writes, which nobody asked for; every other code
        gets a `UnitOfWork` (`Platform.open_unit`)."""
        origin = (origin or current_origin()).by(actor)
        # Reads of the platform itself are not observed as units.
        sealed = self.open_session(
            origin, read_only=read_only, observed=not read_only, across_tenants=True
        )
        try:
            yield sealed.session
            published = await sealed.commit()
        finally:
            await sealed.close(reason_of(sys.exception()))
        self.on_published(published)

    @asynccontextmanager
    async def single_query(self) -> AsyncIterator[AsyncSession]:
        """A session that reads, by one statement; a second one raises SecondQueryError."""
        sealed = self.open_session(single_query=True, observed=False, across_tenants=True)
        try:
            yield sealed.session
        finally:
            await sealed.close()

    async def ask(
        self, read: CompiledRead, values: Mapping[str, Any], find_origin: Callable[[], Origin]
    ) -> Rows | None:
        """The rows of `read`, without a session; None where there is no such way. Observers are
        told that `find_origin()` has read.

        Raises what a session would raise.
        """
        if self.is_sqlite:
            return None
        find_opening = None
        if self.secures and self._concerns_tenants(read):
            find_opening = partial(self._open_for, find_origin())
        rows = await _asking()(self.read_engine, read, values, find_opening)
        if rows is not None and self.observers.active:
            ended = UnitEnded(UnitOutcome.COMMITTED, "", find_origin().way, read_only=True)
            self.observers.emit(ended)
        return rows

    @property
    def inserts_alone(self) -> bool:
        """Whether a row may be written without a session at all."""
        return not (self.is_sqlite or self.secures)

    async def insert_alone(
        self, origin: Origin, row: object, answer: Callable[[], T]
    ) -> tuple[T, Mapping[str, int]] | None:
        """Insert `row`, a new object, and commit, without a session; None where that is no way, and
        nothing has happened. `answer` is called before the COMMIT.

        Returns:
            What `answer` returned, and the channels that were published to, with their newest
            offsets.

        Raises what a session would raise.
        """
        if not self.inserts_alone:
            return None
        try:
            inserted = await _inserting()(self.engine, self.capture, row, origin, answer)
        except BaseException as error:
            self._observe(reason_of(error), origin)
            raise
        if inserted is not None:
            self._observe("", origin)
        return inserted

    def _observe(self, reason: str, origin: Origin) -> None:
        if self.observers.active:
            outcome = UnitOutcome.HELD_BACK if reason else UnitOutcome.COMMITTED
            self.observers.emit(UnitEnded(outcome, reason, origin.way, read_only=False))

    def _concerns_tenants(self, read: CompiledRead) -> bool:
        found = self._concerning.get(read)
        if found is None:
            found = self._concerning[read] = self.capture.rules.tenants.concern(read.statement)
        return found

    def _open_for(self, origin: Origin, driver: Any) -> Sequence[bytes]:
        dialect = self.read_engine.dialect
        return opening_of(self.capture.rules, origin.actor, driver, dialect)

    def note_outage(self, outage: Outage) -> None:
        """Remember an outage that another way to the same database has met."""
        self._engines.memory.note(outage)

    async def ping(self) -> str:
        """Ask whether the database answers and can be written to. It only reads, and waits for no
        writer.

        Returns:
            The state that keeps it from that (``read-only``), or nothing.

        Raises:
            The driver's error, if the database does not answer.
        """
        if self.is_sqlite:
            state = await anyio.to_thread.run_sync(sqlite.ask, str(self._engines.url.database))
        else:
            state = await self._ask_server()
        recent = self._engines.memory.find()
        return state or ("" if recent is None else recent.state)

    async def _ask_server(self) -> str:
        async with self.single_query_engine.connect() as connection:
            if not await connection.scalar(_IS_READ_ONLY):
                return ""
            # The next probe shall not find the same server again, if another one writes now.
            await connection.invalidate()
            return READ_ONLY.state

    async def close(self) -> None:
        """Close every connection. A later unit makes a new engine."""
        await self._engines.close()


# A process on SQLite does not load psycopg, and to import what is loaded takes microseconds too.
@cache
def _asking() -> Callable[..., Awaitable[Rows | None]]:
    from trivet.data.postgresql_reads import ask

    return ask


@cache
def _inserting() -> Callable[..., Awaitable[tuple[Any, Mapping[str, int]] | None]]:
    from trivet.data.lone_inserts import insert_alone

    return insert_alone
