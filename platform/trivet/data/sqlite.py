"""The set-up of every SQLite connection.

The mode is WAL. A unit that writes begins IMMEDIATE: so two writers queue for the lock, and the
second one does not fail when it upgrades. A unit that reads begins plain, and never waits for a
writer.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.pool import PoolResetState

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
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


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
