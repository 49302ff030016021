"""The set-up of every SQLite connection.

The mode is WAL. A unit that writes begins IMMEDIATE: so two writers queue for the lock, and the
second one does not fail when it upgrades. A unit that reads begins plain, and never waits for a
writer.
"""

import datetime as dt
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, DateTime
from sqlalchemy.dialects.sqlite import DATETIME
from sqlalchemy.engine import Dialect
from sqlalchemy.pool import PoolResetState

from trivet.data.outages import READ_ONLY as NOT_WRITABLE
from trivet.data.outages import find_outage
from trivet.data.statement_guard import READ_ONLY, SINGLE_QUERY, expect_one
from trivet.data.words import HAS_WORDS, has_words

BUSY_TIMEOUT_MS = 10_000
"""The time for which a writer waits for another one before "database is locked"."""


class StockInstant(DATETIME):
    """SQLAlchemy's own ``DateTime(timezone=True)``, with its zone.

    The stock type writes the clock of whatever zone a value has, and reads it back without one: a
    stored instant was another one. In UTC it is the same, and it is found by a filter.
    """

    def bind_processor(self, dialect: Dialect) -> Any:
        process = super().bind_processor(dialect)
        if not self.timezone or process is None:
            return process

        def write(value: Any) -> Any:
            is_aware = isinstance(value, dt.datetime) and value.utcoffset() is not None
            return process(value.astimezone(dt.UTC) if is_aware else value)

        return write

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        process = super().result_processor(dialect, coltype)
        if not self.timezone or process is None:
            return process

        def read(value: Any) -> Any:
            found = process(value)
            return None if found is None else found.replace(tzinfo=dt.UTC)

        return read


def keep_zones(dialect: Dialect) -> None:
    """Have an engine's SQLite keep the zones of instants."""
    if dialect.name == "sqlite":
        dialect.colspecs = {**dialect.colspecs, DateTime: StockInstant}


def prepare_connection(connection: Any, _record: Any) -> None:
    """Set the options that SQLite keeps for each connection, and its functions."""
    # The driver's own BEGIN comes too late and is never IMMEDIATE: `begin` does it.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    _begin_wal(cursor)
    cursor.close()
    connection.create_function(HAS_WORDS, 2, has_words, deterministic=True)


def _begin_wal(cursor: Any) -> None:
    """Set the mode, which stays with the file. A file that cannot be written to can still be read:
    a unit that writes is then refused by SQLite itself."""
    try:
        cursor.execute("PRAGMA journal_mode=WAL")
    except sqlite3.OperationalError as error:
        if find_outage(error) is not NOT_WRITABLE:
            raise


PROBE_SECONDS = 1.0
"""The time for which a probe waits for a lock that keeps even readers out."""


def ask(path: str) -> str:
    """The state that keeps the file at `path` from being used; empty if there is none. It only
    reads, on a connection of its own, because the others wait longer for a lock.

    Raises sqlite3.OperationalError if the file cannot be read.
    """
    file = Path(path).absolute()
    # Without a mode SQLite would make the file that is missing.
    address = f"{file.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=PROBE_SECONDS)) as connection:
        connection.execute("PRAGMA schema_version").fetchone()
    is_writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
    return "" if is_writable else NOT_WRITABLE.state


def begin(connection: Connection) -> None:
    """Begin in the mode of the unit. A single query has no transaction."""
    options = connection.get_execution_options()
    if options.get(SINGLE_QUERY):
        expect_one(connection)
    else:
        connection.exec_driver_sql("BEGIN" if options.get(READ_ONLY) else "BEGIN IMMEDIATE")


def end_what_is_open(connection: Any, _record: Any, state: PoolResetState) -> None:
    """Roll back a transaction that a refused COMMIT left open, before the pool takes it."""
    # A COMMIT that a deferred constraint refuses leaves SQLite's transaction open, but
    # SQLAlchemy takes it as ended, as it is on PostgreSQL.
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()
