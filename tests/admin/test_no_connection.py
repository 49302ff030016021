"""No data, no connection: what asks for nothing opens nothing, on either engine."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from tests.admin.house import House, engine_of, make_settings
from tests.platform.bare import client_of
from trivet.asgi.root import build_root
from trivet.features import Feature
from trivet.platform import open_platform
from trivet_admin.auth.login import DjangoAccounts
from trivet_admin.transactions import ThreadedTransactions
from trivet_deploy.asgi import list_mounts

pytestmark = pytest.mark.anyio

WITHOUT_DATA = [
    ("/healthz", 200),
    ("/api/", 200),
    ("/api/openapi.json", 200),
    ("/api/docs", 200),
    ("/api/auth/me", 401),
    ("/static/admin/css/base.css", 200),
    ("/departures/static/board.css", 200),
    ("/admin", 307),
    ("/admin/", 302),
    ("/admin/login/", 200),
    ("/nowhere", 404),
]
WITH_DATA = [("/departures/", "sqlalchemy"), ("/readyz", "django")]
"""Whose connections are counted, so that a count of none is known to be one."""


@pytest.fixture
def whole_house(stock: tuple[Feature, ...], database_url: str) -> House:
    """Every room and page, as a server serves them; nothing runs besides."""
    settings = make_settings(database_url)
    django = ThreadedTransactions(settings.django_threads)
    platform = open_platform(settings, stock, accounts=DjangoAccounts(), django=django)
    _ = platform.database.engine  # whose making looks at the file system
    return House(platform, build_root(platform, list_mounts(platform)))


@pytest.fixture
def opened(whole_house: House) -> Iterator[list[str]]:
    """Which engine opened a connection, one after another."""
    from django.db import connection, connections
    from django.db.backends.signals import connection_created

    connections.close_all()
    if hasattr(connection, "close_pool"):
        connection.close_pool()
    opened: list[str] = []

    def note(**_: Any) -> None:
        opened.append("django")

    connection_created.connect(note)
    engine = whole_house.platform.database.engine.sync_engine
    event.listen(engine, "connect", lambda *_: opened.append("sqlalchemy"))
    yield opened
    connection_created.disconnect(note)


async def test_what_needs_no_data_opens_no_connection(
    whole_house: House, opened: list[str], database_url: str, database_kind: str
) -> None:
    is_postgresql = database_kind == "postgresql"
    before = count_others(database_url) if is_postgresql else 0  # a fixture's own
    async with client_of(whole_house.app) as client:
        for path, status in WITHOUT_DATA:
            assert (await client.get(path)).status_code == status, path
            assert opened == [], path
        assert not is_postgresql or count_others(database_url) <= before
        for path, engine in WITH_DATA:
            await client.get(path)
            assert engine in opened, path
    await whole_house.platform.database.close()


def count_others(database_url: str) -> int:
    """Connections to the database, but for the one that counts, as PostgreSQL has them."""
    query = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    engine = engine_of(database_url)
    with engine.connect() as connection:
        count: int = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return count
