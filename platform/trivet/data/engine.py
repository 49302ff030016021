"""The async engine, and its three modes of a transaction.

A unit that only reads sees one snapshot on both databases (REPEATABLE READ on PostgreSQL, a
deferred transaction on SQLite). So all its data is of one moment, a channel's position included,
from which a browser can continue.
"""

from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from trivet.data.bulk.inserts import insert_by_arrays
from trivet.data.listeners import listen_to_engine
from trivet.data.outages import OutageMemory
from trivet.data.pool import ObservedPool
from trivet.data.sqlite import keep_zones
from trivet.data.statement_guard import IN_TRANSACTION, READ_ONLY, SINGLE_QUERY
from trivet.data.statement_limit import limited_sqlite
from trivet.observation import Observers
from trivet_settings.database_url import DatabaseUrl
from trivet_settings.values import Pooler

DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg"}
"""The driver of PostgreSQL is the same as Django's (docs/decisions/0013)."""


def async_url(url: str) -> URL:
    """`url` (``sqlite:///path`` or ``postgresql://…``) with the async driver put in."""
    parsed = DatabaseUrl.parse(url)
    options: dict[str, str] = dict(parsed.connect_options)
    is_list = "," in parsed.host + parsed.port
    if is_list:  # SQLAlchemy takes libpq's lists as options alone, and a port for each host
        hosts = parsed.host or options.get("hostaddr", "")
        each = (
            parsed.port if "," in parsed.port else ",".join([parsed.port] * len(hosts.split(",")))
        )
        options |= {"host": hosts, "port": each}
    return URL.create(
        DRIVERS[parsed.backend],
        username=parsed.user or None,
        password=parsed.password or None,
        host=None if is_list else parsed.host or None,
        port=int(parsed.port) if parsed.port and not is_list else None,
        database=parsed.name or None,
        query={name: value for name, value in options.items() if value},
    )


class Engines:
    """One engine and one pool, made on first use: nothing connects before a unit needs data."""

    def __init__(
        self,
        url: str,
        *,
        connections: int,
        timeout: float,
        observers: Observers,
        pooler: Pooler = "none",
        statement_seconds: float | None = None,
        memory: OutageMemory | None = None,
        pool_name: str = "database",
    ) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._connections = connections
        self._timeout = timeout
        self._statement_seconds = statement_seconds
        self._observers = observers
        self._pooler = pooler
        self.memory = memory or OutageMemory()
        self._pool_name = pool_name
        self._writing: AsyncEngine | None = None
        self._reading: AsyncEngine | None = None
        self._single: AsyncEngine | None = None
        self._single_within: AsyncEngine | None = None

    @property
    def is_made(self) -> bool:
        """Whether there may be a connection."""
        return self._writing is not None

    @property
    def writing(self) -> AsyncEngine:
        """The mode of transactions that write."""
        if self._writing is None:
            self._writing = self._create()
        return self._writing

    @property
    def reading(self) -> AsyncEngine:
        """The mode of transactions that only read, and see the data of one moment."""
        if self._reading is None:
            self._reading = self.writing.execution_options(**{READ_ONLY: True})
        return self._reading

    @property
    def single_query(self) -> AsyncEngine:
        """The mode of sessions that read by one statement. It has no transaction around it, which
        saves two round trips of three."""
        if self._single is None:
            self._single = self.reading.execution_options(**{SINGLE_QUERY: True})
        return self._single

    @property
    def single_query_within(self) -> AsyncEngine:
        """The same with a transaction around the statement: something goes with its BEGIN that the
        statement needs."""
        if self._single_within is None:
            self._single_within = self.single_query.execution_options(**{IN_TRANSACTION: True})
        return self._single_within

    async def close(self) -> None:
        """Close every connection. A later unit makes a new engine."""
        if self._writing is not None:
            await self._writing.dispose()
            self._writing = self._reading = self._single = self._single_within = None

    def _create(self) -> AsyncEngine:
        options: dict[str, Any] = {}
        if self.is_sqlite:
            options["connect_args"] = {"factory": limited_sqlite(self._statement_seconds)}
        else:
            from trivet.data.postgresql_connection import connecting

            options["connect_args"] = {"async_creator_fn": connecting(self._statement_seconds)}
            # hstore would cost two extra round trips for each connection, and nothing here uses it.
            options["use_native_hstore"] = False
            options["skip_autocommit_rollback"] = True  # where there is no transaction
        engine = create_async_engine(
            self.url,
            pool_size=self._connections,
            max_overflow=0,
            pool_timeout=self._timeout,
            hide_parameters=True,  # an error is logged, and its parameters may be secrets
            poolclass=ObservedPool,
            **options,
        )
        keep_zones(engine.dialect)
        insert_by_arrays(engine.dialect)
        assert isinstance(engine.sync_engine.pool, ObservedPool)
        engine.sync_engine.pool.observers = self._observers
        engine.sync_engine.pool.name = self._pool_name
        listen_to_engine(engine.sync_engine, self.memory, self._pooler)
        return engine
