"""The database: one async engine, and sessions that publish what they commit.

SQLite runs in WAL mode. A unit that writes begins IMMEDIATE, so that two writers queue
for the lock instead of failing when the second one upgrades; a unit that reads begins
plain, and never waits for a writer.

A unit that reads sees one snapshot, on both databases (REPEATABLE READ on PostgreSQL, a
deferred transaction on SQLite): what it returns was true at one moment, a channel's
position included, from which a browser can go on.
"""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from trivet.audit.trail import AuditTrail
from trivet.data.session import TrivetSession
from trivet.data.statement_guard import READ_ONLY, SINGLE_QUERY, expect_one, watch
from trivet.delivery.broker import Bell
from trivet.events.feeds import FeedRegistry
from trivet.identity.identity import Identity

if TYPE_CHECKING:
    from trivet.context import RequestContext

BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another on SQLite before "database is locked"."""

IDLE_SECONDS = 1.0
"""A connection that nobody used for longer is asked whether it still is one before it is given
out. One that was used just now is not, which saves every request of a busy server a round trip."""

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
"""Ours of PostgreSQL is the one that Django has too (docs/decisions/0013)."""


def async_url(url: str) -> URL:
    """`url` (``sqlite:///path`` or ``postgresql://…``) with the async driver put in."""
    parsed = make_url(url)
    return parsed.set(drivername=DRIVERS[parsed.get_backend_name()])


class AbortedTransactionError(RuntimeError):
    """A commit of a transaction that the database has given up."""


class Database:
    """The async leg's connections.

    `connections` bounds the pool; a unit that finds none free within `timeout` seconds
    raises sqlalchemy.exc.TimeoutError, which the rooms answer with 503. `bell` is rung
    for units that commit outside a request, `audit` notes what they change.
    """

    def __init__(
        self,
        url: str,
        *,
        feeds: FeedRegistry,
        bell: Bell,
        audit: AuditTrail | None = None,
        connections: int = 10,
        timeout: float = 5.0,
    ) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.feeds = feeds
        self.audit = audit
        self._bell = bell
        self._connections = connections
        self._timeout = timeout
        self._engine: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._asker: AsyncEngine | None = None

    @property
    def engine(self) -> AsyncEngine:
        """The engine, made on first use: nothing connects before a unit needs data."""
        if self._engine is None:
            self._engine = self._create_engine()
        return self._engine

    @property
    def reader(self) -> AsyncEngine:
        """The same engine and pool, whose transactions only read, and see one moment."""
        if self._reader is None:
            self._reader = self.engine.execution_options(**{READ_ONLY: True})
        return self._reader

    @property
    def asker(self) -> AsyncEngine:
        """The same engine and pool, for sessions that read by one statement. It has no
        transaction around it, which saves two round trips of three."""
        if self._asker is None:
            self._asker = self.reader.execution_options(**{SINGLE_QUERY: True})
        return self._asker

    def session(
        self,
        context: "RequestContext | None" = None,
        *,
        actor: Identity | None = None,
        read_only: bool = False,
    ) -> AsyncSession:
        """A session that has no connection yet. Whoever opens it ends it: prefer `unit`."""
        engine = self.reader if read_only else self.engine
        return self._open(engine, context, actor=actor, read_only=read_only)

    def single_query(self, context: "RequestContext | None" = None) -> AsyncSession:
        """A session that reads, by one statement; a second one raises SecondQueryError."""
        return self._open(self.asker, context, read_only=True)

    def _open(
        self,
        engine: AsyncEngine,
        context: "RequestContext | None",
        *,
        actor: Identity | None = None,
        read_only: bool,
    ) -> AsyncSession:
        return AsyncSession(
            engine,
            sync_session_class=TrivetSession,
            feeds=self.feeds,
            audit=self.audit,
            context=context,
            actor=actor,
            read_only=read_only,
            expire_on_commit=False,
        )

    @asynccontextmanager
    async def unit(
        self,
        context: "RequestContext | None" = None,
        *,
        actor: Identity | None = None,
        read_only: bool = False,
    ) -> AsyncIterator[AsyncSession]:
        """A unit of work of its own: commits at the end, rolls back on an exception, and
        rings the bell for what it published. One that reads has nothing to commit."""
        async with self.session(context, actor=actor, read_only=read_only) as session:
            yield session
            if read_only:
                require_read(session)
            else:
                await session.commit()
                self.ring(session)

    def ring(self, session: AsyncSession) -> None:
        """Ring the bell for what `session` published with its commit."""
        published = published_by(session)
        if published:
            self._bell.ring(published)

    async def ping(self) -> None:
        """Raise whatever the driver raises if the database does not answer."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection; the engine is made anew if it is needed again."""
        if self._engine is not None:
            await self._engine.dispose()
            self._engine = self._reader = self._asker = None

    def _create_engine(self) -> AsyncEngine:
        options: dict[str, Any] = {}
        if self.url.drivername == "postgresql+psycopg":
            # Two extra round trips a connection, for a type that nothing here uses.
            options["use_native_hstore"] = False
        if not self.is_sqlite:
            options["skip_autocommit_rollback"] = True  # where there is no transaction
        engine = create_async_engine(
            self.url,
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=self._timeout,
            **options,
        )
        watch(engine.sync_engine)
        event.listen(engine.sync_engine, "commit", _require_intact)
        if self.is_sqlite:
            event.listen(engine.sync_engine, "connect", _prepare_sqlite)
            event.listen(engine.sync_engine, "begin", _begin_sqlite)
            event.listen(engine.sync_engine, "reset", _end_sqlite)
        else:
            event.listen(engine.sync_engine, "begin", _choose_mode)
            event.listen(engine.sync_engine, "engine_connect", _forget_mode_of)
            event.listen(engine.sync_engine, "set_connection_execution_options", _forget_mode)
            event.listen(engine.sync_engine, "checkin", _note_use)
            event.listen(engine.sync_engine, "checkout", partial(_ask_idle, engine.dialect))
        return engine


def published_by(session: AsyncSession) -> dict[str, int]:
    """The channels that `session` published to, each with its newest offset; then forgets."""
    sync = session.sync_session
    assert isinstance(sync, TrivetSession)
    published, sync.published = sync.published, {}
    return published


def require_read(session: AsyncSession) -> None:
    """At the end of a session that only read: raise ReadOnlyError if something in it was
    changed, AbortedTransactionError if a statement failed and the error was swallowed. What it
    found is no answer then, and nobody else would say so, for there is no commit."""
    sync = session.sync_session
    assert isinstance(sync, TrivetSession)
    sync.require_unchanged()
    if sync.reading is not None:
        _require_intact(sync.reading)


_USED_AT = "trivet_used_at"


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED_AT] = time.monotonic()


def _ask_idle(dialect: Dialect, connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
    """By `InvalidatePoolError` the pool drops this connection and all that are as old."""
    used_at = record.info.get(_USED_AT)
    if used_at is None or time.monotonic() - used_at < IDLE_SECONDS:
        return
    try:
        dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        raise InvalidatePoolError("the connection was lost while it was idle") from error


_MODE = "trivet_mode"
_WRITING = (False, False)
_LEVEL = "isolation_level"
"""SQLAlchemy's own execution option."""


def _choose_mode(connection: Connection) -> None:
    """Have the next BEGIN say what the transaction is for, or have none. SQLAlchemy's options for
    that set it and set it back around every transaction; a connection that goes on as before
    keeps it."""
    options = connection.get_execution_options()
    mode = options.get(READ_ONLY, False), options.get(SINGLE_QUERY, False)
    if mode[1]:
        expect_one(connection)
    is_chosen = _LEVEL in options  # by whoever asks for a connection of the engine
    if connection.info.get(_MODE, _WRITING) == mode and not is_chosen:
        return
    dialect: Any = connection.dialect  # PostgreSQL's, and without types
    driver = connection.connection.dbapi_connection
    if not is_chosen:
        _set_level(dialect, driver, mode)
    dialect.set_readonly(driver, mode[0])
    if not is_chosen:
        connection.info[_MODE] = mode


def _forget_mode(connection: Connection, options: Mapping[str, Any]) -> None:
    """SQLAlchemy sets a chosen level, and sets it back in the end, whatever it was before."""
    if _LEVEL in options:
        connection.info[_MODE] = None


def _forget_mode_of(connection: Connection) -> None:
    """The same for a level that was chosen for an engine."""
    _forget_mode(connection, connection.get_execution_options())


def _set_level(dialect: Any, driver: Any, mode: tuple[bool, bool]) -> None:
    read_only, single = mode
    if single:
        dialect.set_isolation_level(driver, "AUTOCOMMIT")
    elif read_only:
        dialect.set_isolation_level(driver, "REPEATABLE READ")
    else:
        dialect.reset_isolation_level(driver)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own BEGIN comes too late and is never IMMEDIATE: `_begin_sqlite` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _require_intact(connection: Connection) -> None:
    # A failed statement whose error was swallowed without a savepoint: PostgreSQL's COMMIT
    # would be a ROLLBACK, and neither the server nor the driver calls that an error.
    driver: Any = connection.connection.driver_connection
    status = getattr(getattr(driver, "info", None), "transaction_status", None)
    if status is not None and status.name == "INERROR":
        raise AbortedTransactionError(
            "a statement failed and its error was swallowed, so PostgreSQL has given the "
            "transaction up; put what may fail into 'with db.begin_nested():'"
        )


def _end_sqlite(connection: Any, _record: Any, state: PoolResetState) -> None:
    # A COMMIT that a deferred constraint refuses leaves SQLite's transaction open, while
    # SQLAlchemy, as PostgreSQL does, takes it for ended.
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get(SINGLE_QUERY):
        expect_one(connection)
    else:
        connection.exec_driver_sql("BEGIN" if options.get(READ_ONLY) else "BEGIN IMMEDIATE")
