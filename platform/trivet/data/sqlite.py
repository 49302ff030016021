"""The set-up of every SQLite connection.

The mode is WAL. A unit that writes begins IMMEDIATE: so two writers queue for the lock, and the
second one does not fail when it upgrades. A unit that reads begins plain, and never waits for a
writer.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.pool import PoolResetState

from trivet.data.outages import READ_ONLY as NOT_WRITABLE
from trivet.data.outages import find_outage
from trivet.data.statement_guard import READ_ONLY, SINGLE_QUERY, expect_one

BUSY_TIMEOUT_MS = 10_000
"""The time for which a writer waits for another one before "database is locked"."""


def prepare_connection(connection: Any, _record: Any) -> None:
    """Set the options that SQLite keeps for each connection."""
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
