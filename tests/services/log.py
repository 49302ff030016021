"""The log of the process under test."""

import io
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from trivet.log import configure_logging


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The log as a deployment writes it; gives what was written so far."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream := io.StringIO())
        configure_logging(log_format="json")
    yield stream.getvalue
    root.handlers[:], root.level = before
