"""The log: one structured line an event, and no secret in it.

structlog renders our own events and those of every library that uses `logging`, so a
deployment has one format. A request's id stands on every line that is logged while the
request is served.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"passw|secret|token|cookie|authorization|api_?key|session_?key", re.IGNORECASE
)
_SECRET_VALUE = re.compile(
    r"(tvt_[a-z0-9]{12})_[A-Za-z0-9_-]{43}|(Bearer )\S+|(://[^:/@\s]+:)[^@\s]+(?=@)"
)

_QUIET = ("uvicorn.access", "httpx2", "httpcore2", "alembic", "asyncio")
"""Loggers whose INFO repeats what our access log says, or says nothing to operators."""

Event = MutableMapping[str, Any]


def configure_logging(*, log_format: Literal["console", "json"], level: str = "INFO") -> None:
    """Send the whole process's log to standard error, as `log_format`. Called by the roof, once."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(log_format: Literal["console", "json"]) -> list[Any]:
    if log_format == "console":
        # The renderer's own choice prints local variables, and a password is one.
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        return [redact, structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]
    return [structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Blank what is named like a secret, and keys, bearer tokens and passwords in URLs
    wherever they stand in a text."""
    for name, value in event.items():
        if _SECRET_NAME.search(name):
            event[name] = REDACTED
        elif isinstance(value, str):
            event[name] = _SECRET_VALUE.sub(_blank, value)
    return event


def _blank(match: re.Match[str]) -> str:
    return "".join(part for part in match.groups() if part) + REDACTED
