"""Databases with the tables of `tests.platform.notes`, and of whatever else tests have mapped.

To make these tables takes much longer than most of what is tested on them. So they are made once a
run, and every test gets a copy of the result.
"""

from collections.abc import Iterator

import pytest

from tests.services.databases import Databases


@pytest.fixture(scope="session")
def notes_template_url(databases: Databases) -> str:
    """The database that is copied."""
    from tests.platform import notes  # with it, classes are mapped: not before all are collected

    url = databases.create_empty()
    notes.create_tables(url)
    return url


@pytest.fixture
def notes_url(databases: Databases, notes_template_url: str) -> Iterator[str]:
    """A database of a test's own."""
    url = databases.copy(notes_template_url)
    yield url
    databases.drop(url)
