"""Databases with flights."""

from collections.abc import Iterator

import pytest

from tests.departures.house import Desk


@pytest.fixture
def desk(fresh_database_url: str) -> Iterator[Desk]:
    """Units of work on a migrated database without rows."""
    desk = Desk(fresh_database_url)
    yield desk
    desk.engine.dispose()
