"""The reasons why a database cannot serve a request now, in the words of its operator.

A server that is read-only, that starts or stops, or that has no connection or no disk left, is no
fault of the request: the same request may succeed a moment later. The reason is found in the
driver's exception, which stays reachable however it is wrapped. An established connection reports
an SQLSTATE. A refused connection reports none, because libpq has only the server's sentence, so
those sentences are searched for English words; in another language the reason is `AWAY`.

A write that is refused in a unit of ours that only reads looks the same as one that a read-only
server refuses. It is a fault of the program, so the place that knows the unit marks it
(`mark_own`).
"""

import sqlite3
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import ExceptionContext


@dataclass(frozen=True, slots=True)
class Outage:
    """A reason.

    Attributes:
        state: The reason in a word or two, for ``/readyz`` and the log.
        detail: The sentence for the caller.
        spoils: Whether the connection, and every other one that is as old, stays useless when the
            database is back: another server may be the one that writes then.
    """

    state: str
    detail: str
    spoils: bool = False


AWAY = Outage("does not answer", "The database does not answer. Try again.")
READ_ONLY = Outage(
    "read-only", "The database can only be read at the moment. Try again later.", spoils=True
)
STARTING = Outage("starting up", "The database is starting up. Try again.", spoils=True)
STOPPING = Outage("shutting down", "The database is shutting down. Try again.", spoils=True)
RECOVERING = Outage("in recovery", "The database is in recovery. Try again.", spoils=True)
NO_CONNECTIONS = Outage(
    "out of connections", "The database accepts no more connections. Try again."
)
NO_SPACE = Outage("out of disk space", "The database has no disk space left. Try again later.")
NO_MEMORY = Outage("out of memory", "The database has no memory left. Try again.")
CONFLICT = Outage("conflict of transactions", "Another request changed the same data. Try again.")
DEADLOCK = Outage("deadlock", "Another request changed the same data. Try again.")
LOCKED = Outage("locked", "The database is locked by other work. Try again.")
TOO_LONG = Outage("transaction too long", "The database ended what took too long. Try again later.")
UNREADABLE = Outage(
    "cannot be opened", "The file of the database cannot be opened. Try again later.", spoils=True
)
MIGRATED = Outage(
    "changed by a migration",
    "The database was changed by a migration at this moment. Try again.",
    spoils=True,
)
BROKEN_DISK = Outage(
    "disk error", "The disk of the database reports an error. Try again later.", spoils=True
)

_SQLSTATES = {
    "40001": CONFLICT,
    "40P01": DEADLOCK,
    "25006": READ_ONLY,
    "25P03": TOO_LONG,  # idle_in_transaction_session_timeout
    "25P04": TOO_LONG,  # transaction_timeout
    "57P01": STOPPING,
    "57P02": STOPPING,
    "57P03": STARTING,
    "53100": NO_SPACE,
    "53200": NO_MEMORY,
    "53300": NO_CONNECTIONS,
    "55P03": LOCKED,
    "58030": BROKEN_DISK,
}
_ROUTINES = {
    "call_bool_check_hook": READ_ONLY,  # a standby, at ``BEGIN READ WRITE``
    "RevalidateCachedQuery": MIGRATED,  # a prepared statement, whose columns have other types now
}
"""Both have the SQLSTATE of everything that is not supported, 0A000. The name of the server's
routine tells them from the rest, in every language."""

_SENTENCES = {
    "starting up": STARTING,
    "shutting down": STOPPING,
    "not yet accepting connections": RECOVERING,
    "in recovery mode": RECOVERING,
    "not accepting connections": RECOVERING,
    "session is read-only": READ_ONLY,  # libpq's, for target_session_attrs
    "server is in hot standby mode": READ_ONLY,
    "too many clients": NO_CONNECTIONS,
    "too many connections": NO_CONNECTIONS,
    "remaining connection slots": NO_CONNECTIONS,
    "no more connections allowed": NO_CONNECTIONS,  # PgBouncer's
}
"""Of several hosts that refuse, the sentence of the one that comes first here counts."""

_SQLITE_CODES = {
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_PROTOCOL: LOCKED,
    sqlite3.SQLITE_NOMEM: NO_MEMORY,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_IOERR: BROKEN_DISK,
    sqlite3.SQLITE_FULL: NO_SPACE,
    sqlite3.SQLITE_CANTOPEN: UNREADABLE,
}
"""SQLite's other operational errors (no such table, a syntax error) are faults of ours, which no
retry cures."""

_OWN = "trivet_own_refusal"
"""The attribute of a driver's exception that was raised in a unit that only reads."""


def find_outage(error: BaseException | None) -> Outage | None:
    """The reason behind `error`, or None if the database could have served it."""
    driver = _find_driver_error(error)
    return None if driver is None or getattr(driver, _OWN, False) else _read(driver)


def mark_own(error: BaseException) -> None:
    """Note that `error` was raised in a unit of ours that only reads. A write that is refused
    there is a fault of the program; any other reason counts as everywhere."""
    driver = _find_driver_error(error)
    if driver is not None and _read(driver) is READ_ONLY:
        setattr(driver, _OWN, True)


REMEMBERED_SECONDS = 3.0
"""The time for which a refused write counts as the state of the database: long enough for a probe
to meet it, and short enough that a cured database is ready within five seconds."""


class OutageMemory:
    """The last outage that stopped a write. A probe only reads, so it cannot find a full disk
    itself."""

    def __init__(self) -> None:
        self._outage: Outage | None = None
        self._until = 0.0

    def note(self, outage: Outage) -> None:
        """Remember `outage`, if only a write can find it."""
        if outage in (READ_ONLY, NO_SPACE, BROKEN_DISK):
            self._outage, self._until = outage, time.monotonic() + REMEMBERED_SECONDS

    def find(self) -> Outage | None:
        """The outage, while it counts."""
        return self._outage if time.monotonic() < self._until else None


def throw_away(memory: OutageMemory, context: ExceptionContext) -> None:
    """Drop a connection that an outage has spoiled, and every one of its pool that is as old."""
    outage = find_outage(context.original_exception)
    if outage is not None:
        memory.note(outage)
        if outage.spoils:
            context.is_disconnect = True


def _find_driver_error(error: BaseException | None) -> BaseException | None:
    """The innermost error of a database in the chain: what the ORMs raise has the same names."""
    found: BaseException | None = None
    seen: list[BaseException] = []  # the driver's error and SQLAlchemy's may each be the other's
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "orig", None)  # SQLAlchemy's
        if inner is None and "DatabaseError" in _kinds(error):
            found = error
        error = inner or error.__cause__
    return found


def _read(error: Any) -> Outage | None:
    if isinstance(error, sqlite3.OperationalError):
        code: int = getattr(error, "sqlite_errorcode", 0)
        return _SQLITE_CODES.get(code & 0xFF)  # the primary result code
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate in _SQLSTATES:
        return _SQLSTATES[sqlstate]
    if sqlstate == "0A000" and error.diag.source_function in _ROUTINES:
        return _ROUTINES[error.diag.source_function]
    if "OperationalError" not in _kinds(error):
        return None
    said = "" if sqlstate else str(error)
    return next((outage for words, outage in _SENTENCES.items() if words in said), AWAY)


def _kinds(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}  # PEP 249 gives the names
