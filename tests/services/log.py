"""The log of the process under test."""

import io
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from trivet.log import configure_logging


def pytest_configure() -> None:
    """Write tracebacks plainly where no test has configured the log: structlog's own default looks
    for the files of a traceback by itself, on the event loop."""
    processors = structlog.get_config()["processors"]
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*processors[:-1], plain])


@pytest.fixture
def json_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """The log as a deployment writes it; gives what was written so far."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream := io.StringIO())
        configure_logging(log_format="json")
    yield stream.getvalue
    root.handlers[:] = handlers
    # Not by the attribute: loggers remember what they let through until a level is set.
    root.setLevel(level)
