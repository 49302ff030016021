"""What a page of the browser shows, when it shows it."""

import time
from collections.abc import Callable
from typing import Any

from tests.services.node import TESTS

SDK = TESTS / "node_modules" / "centrifuge" / "dist" / "centrifuge.js"
"""The package's own file for browsers, as a page without a build step has it."""
SECONDS = 60.0


def until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "this should have come long ago"
        time.sleep(0.02)
