"""A library with authors and tags, on a database of its own; and one without rows, for queries."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from tests.api.resource.library import Library, create_tables
from tests.api.resource.reading import make_tables
from tests.platform.bare import bare_platform
from trivet import Platform
from trivet.data.capture import Capture


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


@pytest.fixture
async def shelves(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    """A platform with the tables of `query_classes`, in which nothing is yet."""
    await anyio.to_thread.run_sync(make_tables, empty_database_url)
    platform = bare_platform(tmp_path, database_url=empty_database_url)
    platform.database.capture = Capture()
    yield platform
    await platform.database.close()
