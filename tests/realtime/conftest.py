"""Houses with the realtime room alone."""

from collections.abc import AsyncIterator

import pytest

from tests.realtime.house import House, house_at
from tests.services.databases import Databases


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    """A served house on an empty database, whose bounds are the defaults."""
    async with house_at(empty_database_url) as house:
        yield house


@pytest.fixture(scope="module")
async def shared_house(databases: Databases) -> AsyncIterator[House]:
    """One house for the scenarios of a module, which leave nothing behind that another sees."""
    url = databases.create_empty()
    async with house_at(url) as house:
        yield house
    databases.drop(url)
