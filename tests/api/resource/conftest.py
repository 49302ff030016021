"""A library with authors and tags, on a database of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.api.resource.library import Library, create_tables


@pytest.fixture
def library_url(database_url: str) -> str:
    """A database with the tables of the library. They are made on no event loop."""
    create_tables(database_url)
    return database_url


@pytest.fixture
async def library(library_url: str) -> AsyncIterator[Library]:
    library = Library(library_url)
    await library.fill()
    yield library
    await library.database.close()
