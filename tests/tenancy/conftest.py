"""The campus, and the campus under row security."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx2
import pytest

from tests.platform.bare import client_of
from tests.tenancy.campus_house import fill, open_campus, secure_campus
from trivet.asgi.root import Root

__all__ = ["Root"]


@pytest.fixture
def campus_url(fresh_database_url: str) -> str:
    """A database with the rows of two academies."""
    fill(fresh_database_url)
    return fresh_database_url


@pytest.fixture
def campus_settings() -> Mapping[str, Any]:
    """Settings besides; a test that needs some has them for a parameter."""
    return {}


@pytest.fixture
def root(campus_url: str, campus_settings: Mapping[str, Any]) -> Root:
    return open_campus(campus_url, **campus_settings)


@pytest.fixture
def secured(campus_url: str, campus_settings: Mapping[str, Any]) -> Root:
    """The same in a database that asks policies."""
    secure_campus(campus_url)
    return open_campus(campus_url, **campus_settings)


@pytest.fixture
def house(request: pytest.FixtureRequest) -> Root:
    """`secured`, where a test asks for that; otherwise `root`."""
    name = "secured" if "secured" in request.fixturenames else "root"
    house: Root = request.getfixturevalue(name)
    return house


@pytest.fixture
async def client(house: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(house) as client:
        yield client
    await house.platform.database.close()
