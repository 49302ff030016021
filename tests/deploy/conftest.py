"""Installations for the tests of commands."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.installation import Installation
from tests.deploy.written import Write, writing
from tests.services.databases import migrate
from tests.services.postgres import PostgresServer
from trivet.testing.databases import PostgresDatabases


@pytest.fixture
def empty(empty_database_url: str) -> Installation:
    """On a database without tables."""
    return Installation(empty_database_url)


@pytest.fixture
def installed(fresh_database_url: str) -> Installation:
    """On a migrated database."""
    return Installation(fresh_database_url)


@pytest.fixture
def write(installed: Installation, tmp_path: Path) -> Write:
    """Write the models of features of `installed`, and name these in their order."""
    return writing(installed, tmp_path)


@pytest.fixture
def other_kind_url(
    request: pytest.FixtureRequest, database_kind: str, tmp_path: Path
) -> Iterator[str]:
    """An empty database of the other kind than this run's."""
    if database_kind == "postgresql":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    databases = PostgresDatabases(server.url("postgres"), migrate)
    url = databases.create_empty()
    yield url
    databases.drop(url)
