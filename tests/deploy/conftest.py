"""Installations for the tests of commands."""

from pathlib import Path

import pytest

from tests.deploy.installation import Installation
from tests.deploy.written import Write, writing


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
