"""The set-up of every SQLite connection.

WAL mode. A unit that writes begins IMMEDIATE, so that two writers queue for the lock instead of
failing when the second one upgrades; a unit that reads begins plain, and never waits for a
writer.
"""

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.pool import PoolResetState

from trivet.data.statement_guard import READ_ONLY, SINGLE_QUERY, expect_one

BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another on SQLite before "database is locked"."""


def prepare_connection(connection: Any, _record: Any) -> None:
    """Set what SQLite keeps for each connection."""
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
    """Begin as the unit needs it; a single query has no transaction."""
    options = connection.get_execution_options()
    if options.get(SINGLE_QUERY):
        expect_one(connection)
    else:
        connection.exec_driver_sql("BEGIN" if options.get(READ_ONLY) else "BEGIN IMMEDIATE")


def end_what_is_open(connection: Any, _record: Any, state: PoolResetState) -> None:
    """Roll back what a refused COMMIT left open, before the connection goes to the pool."""
    # A COMMIT that a deferred constraint refuses leaves SQLite's transaction open, while
    # SQLAlchemy, as PostgreSQL does, takes it for ended.
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()
