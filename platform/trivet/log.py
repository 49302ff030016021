"""The log: one structured line for each event, without secrets.

structlog renders our own events, and by the same rules those of every library that uses
`logging`, so a deployment has one format. Every line that is logged during a request carries the
request's id.
"""

import io
import logging
import os
import re
import sys
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any, Literal, TextIO

import msgspec
import structlog

from trivet.context import current_context
from trivet.repeated_lines import RepeatedLines

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(
    r"passw|secret|token|cookie|authorization|api_?key|session_?key", re.IGNORECASE
)
_API_KEY = r"(tvt_[a-z0-9]{12})_[A-Za-z0-9_-]{43}"
_KEY_VALUE = re.compile(_API_KEY)
_SECRET_VALUE = re.compile(
    rf"{_API_KEY}"
    r"|((?:Bearer|Basic) )[^\s\"',\\]+"
    r"|(://[^:/@\s]+:)[^@\s]+(?=@)"  # addresses of databases
    r"|((?:trivet_session|csrftoken|sessionid)\w*(?:=|[\"']: ?[\"']))[^;,\s\"'\\]+"
    r"|((?i:\bcookie|\bauthorization)[\"']?\s*[:=,]\s*b?[\"']?)[^\r\n\"'\\]+"
    r"|([?&][A-Za-z_]*(?i:token|key|secret|passw|code|sig)[A-Za-z_]*=)[^&\s\"'\\]+"
    r"|()\b(?:argon2|pbkdf2_sha\w+|bcrypt\w*|scrypt)\$[^\s\"'\\]+"  # hashes of passwords
)
_QUIET = (
    "uvicorn.access",
    "httpx2",
    "httpcore2",
    "alembic",
    "asyncio",
    "trivet.data.pool",  # SQLAlchemy's pool logs under the name of our subclass
)
"""Loggers whose INFO repeats our access log, or does not help operators."""

_REVEALING = (
    "aiosqlite",  # each statement with its parameters
    "sqlalchemy",
    "psycopg",
    "django.db.backends",
    "django.template",  # the context of a look-up that failed, and a user's page has the user
    "django.utils.autoreload",
    "redis",
    "websockets",  # each frame, and the head of each handshake
    "uvicorn.error",  # the same, because uvicorn gives it to its sockets
    "uvicorn.asgi",  # each message, with headers and body
    "httpx2",
    "httpcore2",
    "python_multipart",
    "multipart",
    "hpack",
    "urllib3",
    "concurrent",
)
"""Loggers that write their data below INFO: statements with session keys, frames with tokens,
templates with password hashes. These lines are never logged, at any level, because a secret in a
line cannot be recognised later. The warnings and errors of these loggers are logged."""

_repeated_by_pool = RepeatedLines()
"""What psycopg's pool logs of each attempt to connect, twice a second for as long as the database
refuses. One for the process, whose log may be configured again."""

Event = MutableMapping[str, Any]


class BrokenResponse(Exception):
    """Raised to the server so that it cuts the connection in the middle of a response. The reason
    is in the log already, so the server's own traceback is dropped."""


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], BrokenResponse))


def configure_logging(*, log_format: Literal["console", "json"], level: str = "INFO") -> None:
    """Send the whole process's log to standard error, as `log_format`. Called by the roof, once."""
    shared: list[Any] = [structlog.contextvars.merge_contextvars, _complete]
    rendering = _rendering(log_format)
    # Our own events do not go through `logging`: a line costs a fourth of its price there,
    # and every request leaves one (docs/performance.md).
    structlog.configure(
        processors=[*shared, *rendering],
        logger_factory=partial(_LineLogger, sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    handler.addFilter(_is_discreet)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("django.request").addFilter(_without_traceback)
    logging.getLogger("psycopg.pool").addFilter(_repeated_by_pool)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _REVEALING:
        # The level saves the work; the handler's filter holds even if the level is changed later.
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))


_names_processes = False


def name_processes() -> None:
    """From here on each line carries the id of its process, forks of this one included. Called by a
    server that runs several, which write into one log."""
    global _names_processes  # noqa: PLW0603  # a process has one log, as `logging` has one root
    _names_processes = True


def _is_discreet(record: logging.LogRecord) -> bool:
    return record.levelno >= _least(record.name)


@lru_cache(maxsize=1024)  # loggers are named by source code
def _least(name: str) -> int:
    """The lowest level at which a logger's lines are written."""
    is_revealing = any(name == each or name.startswith(f"{each}.") for each in _REVEALING)
    if not is_revealing:
        return logging.NOTSET
    # SQLAlchemy's INFO is what psycopg's and aiosqlite's DEBUG is.
    return logging.WARNING if name.startswith("sqlalchemy") else logging.INFO


def _without_traceback(record: logging.LogRecord) -> bool:
    """Remove the traceback that Django logs with every refusal: the client got an answer, so the
    line is enough. A fault of ours (500) keeps its traceback."""
    if getattr(record, "status_code", 500) < 500:
        record.exc_info = None
    return True


class _LineLogger:
    """Writes a rendered line to standard error, complete and at once, so that a crash loses none.

    If nobody reads standard error any more, requests do not fail for it.
    """

    def __init__(self, stream: TextIO, name: str) -> None:
        self.name = name
        self._stream = stream

    def _write(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = _write


def request_logger(name: str) -> Callable[[Event], None]:
    """The function that writes the line of a request, as the logger `name`. Its argument holds the
    fields, with the text as `event`.

    It calls the processors that structlog is configured with at this moment. Structlog's own work
    around them costs as much again, and every request writes a line.
    """
    config = structlog.get_config()
    processors, logger = config["processors"], config["logger_factory"](name)
    if not structlog.get_logger(name).is_enabled_for(logging.INFO):
        return lambda _event: None

    def write(event: Any) -> None:
        try:
            for processor in processors:
                event = processor(logger, "info", event)
        except structlog.DropEvent:
            return
        logger.info(event)

    return write


def _complete(logger: Any, method: str, event: Event) -> Event:
    """Add the fields of every line: its level, logger, time and request. It is one step, because
    each step is a call for each line."""
    context = current_context()
    if context is not None:
        event["request_id"] = context.request_id
        if context.client_request_id:
            event["client_request_id"] = context.client_request_id
    if _names_processes:
        event["pid"] = os.getpid()
    event["level"] = method
    record = event.get("_record")  # of a library that uses `logging`
    event["logger"] = logger.name if record is None else record.name
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="microseconds")[:-6] + "Z"
    return event


def _rendering(log_format: Literal["console", "json"]) -> list[Any]:
    if log_format == "console":
        colors = sys.stderr.isatty()
        render = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_write_traceback)
        return [redact, _escape_controls, render, _redact_line]
    return [_render_json]


def _render_json(logger: Any, method: str, event: Event) -> str:
    """All steps to a line of JSON in one, because each step is a call for each line."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    line = _encode(redact(logger, method, event)).decode()
    return _redact_line(logger, method, line)


def _write_value(value: Any) -> Any:
    """A value that JSON does not know, as structlog's own renderer writes it."""
    try:
        return value.__structlog__()
    except AttributeError:
        return repr(value)


_encode = msgspec.json.Encoder(enc_hook=_write_value).encode


def redact(_logger: object, _method: str, event: Event) -> Event:
    """Blank the fields whose names are those of secrets."""
    for name in _secret_names(tuple(event)):
        event[name] = REDACTED
    return event


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def _escape_controls(_logger: object, _method: str, event: Event) -> Event:
    """Write control characters in texts as escapes: whoever chooses a path would otherwise choose
    what the terminal of its reader does (colours, titles, lines that vanish)."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _escape(value)
    return event


def _escape(text: str) -> str:
    if not _CONTROL.search(text):
        return text
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _write_traceback(stream: TextIO, exc_info: Any) -> None:
    """Write a traceback plainly: the default shows local variables, which may hold a password. The
    text of an exception repeats what a caller sent, so it is escaped as well."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(_escape(written.getvalue()))


def _redact_line(_logger: object, _method: str, line: str) -> str:
    """Blank keys, tokens, cookies, password hashes and passwords in URLs anywhere in a rendered
    line: in a text, in a nested value, in a traceback."""
    if _may_hold_secret(line.lower()):
        return _SECRET_VALUE.sub(_blank, line)
    return _KEY_VALUE.sub(_blank, line) if "tvt_" in line else line


def _may_hold_secret(line: str) -> bool:
    """Whether `line`, in lower case, contains what every match of `_SECRET_VALUE` but an API key
    contains. To ask is twenty times as quick as to search, and one expression twice as quick as a
    loop. The public part of a key stands in the line of every request that it makes, so a key is
    searched for by itself."""
    return (
        "://" in line
        or "?" in line
        or "&" in line
        or "cookie" in line
        or "authorization" in line
        or "bearer " in line
        or "basic " in line
        or "trivet_session" in line
        or "csrftoken" in line
        or "sessionid" in line
        or "argon2$" in line
        or "pbkdf2_" in line
        or "bcrypt" in line
        or "scrypt$" in line
    )


@lru_cache(maxsize=1024)  # names are few, and so are their combinations: they stand in source code
def _secret_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if _SECRET_NAME.search(name))


def _blank(match: re.Match[str]) -> str:
    return "".join(part for part in match.groups() if part) + REDACTED
