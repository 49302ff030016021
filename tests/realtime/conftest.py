"""A house on an empty database for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.realtime.house import House, house_at


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    """A served house whose bounds are the defaults."""
    async with house_at(empty_database_url) as house:
        yield house
