"""What a failure of the database means to the one who asked.

SQLAlchemy's exceptions say what happened in the driver; this says whose turn it is:
409 for a state of the data that refuses the request, 422 for a value that no column takes,
503 for a database that cannot serve it now.
"""

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from trivet.errors import Conflict, Invalid, TrivetError, Unavailable

RETRY_AFTER_SECONDS = 1

_RETRY_SQLSTATES = {"40001", "40P01"}
"""serialization_failure and deadlock_detected: the same request may succeed next time."""


def explain(error: BaseException) -> TrivetError | None:
    """The public meaning of `error`, or None if it is a fault of ours."""
    if isinstance(error, TrivetError):
        return error
    if isinstance(error, StaleDataError):
        return Conflict("stale", "Someone else changed this meanwhile. Read it again, then retry.")
    if isinstance(error, PoolTimeoutError):
        return _unavailable("The server is busy. Try again.")
    if isinstance(error, DBAPIError):
        return _explain_driver(error)
    return None


def _explain_driver(error: DBAPIError) -> TrivetError | None:
    if isinstance(error, IntegrityError):
        return Conflict("integrity", "This contradicts data that is already there.")
    if isinstance(error, DataError):
        return Invalid("bad-value", "A value does not fit: too long, too large, or a NUL in it.")
    if getattr(error.orig, "sqlstate", None) in _RETRY_SQLSTATES:
        return _unavailable("Another request changed the same data. Try again.")
    if error.connection_invalidated or isinstance(error, OperationalError):
        return _unavailable("The database does not answer. Try again.")
    return None


def _unavailable(detail: str) -> Unavailable:
    return Unavailable("database-unavailable", detail, retry_after=RETRY_AFTER_SECONDS)
