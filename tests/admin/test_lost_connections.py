"""Django's connections that the database has cut, one by one and all at once."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from tests.admin.house import engine_of
from trivet.features import Feature

pytestmark = pytest.mark.database("postgresql")  # SQLite has no connections to cut


@pytest.fixture
def cut(stock: tuple[Feature, ...], database_url: str) -> Any:
    """Ends every connection to the database."""
    query = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def cut() -> None:
        engine = engine_of(database_url)
        with engine.connect() as connection:
            connection.execute(text(query))
        engine.dispose()

    return cut


def test_a_transaction_that_lost_its_connection_asks_for_no_other(cut: Any) -> None:
    """It would wait for one, in vain and with a thread, for as long as the database is away."""
    from django.db import OperationalError, connection
    from django.db.transaction import atomic

    def work() -> None:
        with atomic(), connection.cursor() as cursor:
            cut()
            cursor.execute("SELECT 1")

    with pytest.raises(OperationalError):
        work()
    assert connection.connection is None
    with atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert not connection.get_autocommit()
    assert connection.get_autocommit()


def test_a_pool_of_dead_connections_serves_the_next_who_asks(cut: Any) -> None:
    from django.db import connection

    everybody = Barrier(8)

    def ask(*, together: bool) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
                if together:
                    everybody.wait(30)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        for asked in [threads.submit(ask, together=True) for _ in range(8)]:
            asked.result()
        cut()
        threads.submit(ask, together=False).result()
