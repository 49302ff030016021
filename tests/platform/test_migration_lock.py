"""One process migrates, the others wait, and none stands in the way of what is migrated."""

import threading
import time

import pytest
from sqlalchemy import Connection, text

from trivet.data.single_connection import connect
from trivet.migrations import one_at_a_time

pytestmark = pytest.mark.database("postgresql")

SECONDS = 60.0


def test_who_waits_does_not_hold_up_an_index_that_is_built_concurrently(
    empty_database_url: str,
) -> None:
    """Such an index waits for every older statement: one that waited for the end of the migration
    would wait for the index, and PostgreSQL does not see that as a deadlock."""
    url, enters = empty_database_url, threading.Event()

    def migrate_too() -> None:
        with one_at_a_time(url):
            enters.set()

    with connect(url) as connection, one_at_a_time(url):
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.execute(text("CREATE TABLE parcel (id bigint)"))
        waiting = threading.Thread(target=migrate_too)
        waiting.start()
        await_waiting(connection)
        connection.execute(text("SET lock_timeout = '10s'"))
        connection.execute(text("CREATE INDEX CONCURRENTLY parcel_id ON parcel (id)"))
        assert not enters.is_set()
    waiting.join(SECONDS)
    assert enters.is_set()


def await_waiting(connection: Connection) -> None:
    """Wait until two sessions have got as far as the lock."""
    asked = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND query <> '' AND query NOT LIKE 'SET TIME ZONE%'"
    )
    end = time.monotonic() + SECONDS
    while connection.scalars(asked).one() < 2:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_that_ends_idle_transactions_does_not_end_the_lock(
    empty_database_url: str,
) -> None:
    url = empty_database_url
    with connect(url) as connection:
        name = connection.engine.url.database
        connection.execute(
            text(f'ALTER DATABASE "{name}" SET idle_in_transaction_session_timeout = 200')
        )
        connection.commit()
    with one_at_a_time(url), connect(url) as connection:
        time.sleep(0.5)
        locks = text(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert connection.scalar(locks) == 1
