"""Installations for the tests of commands."""

import pytest

from tests.deploy.installation import Installation


@pytest.fixture
def empty(empty_database_url: str) -> Installation:
    """On a database without tables."""
    return Installation(empty_database_url)


@pytest.fixture
def installed(fresh_database_url: str) -> Installation:
    """On a migrated database."""
    return Installation(fresh_database_url)
