"""The meaning of a database's failure for the caller.

The drivers' exceptions say what happened. This module says what the caller can do: 403 if a policy
refuses a row, 409 if the state of the data refuses the request, 422 if a value does not fit its
column, 503 if the database cannot serve the request now. The meaning does not depend on the ORM
that wraps the exception.

A refusal names its attributes where they can be known: `trivet.data.violations` finds the columns
of a constraint, `trivet.data.validators` the validator that refused.
"""

import logging

from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm.exc import StaleDataError

from trivet.data.outages import AWAY, Outage, find_outage
from trivet.data.statement_limit import SETTING, is_over_limit
from trivet.data.validators import Refusal, find_refusal
from trivet.data.violations import find_violation, is_of_sending
from trivet.errors import Conflict, Forbidden, Invalid, TrivetError, Unavailable

RETRY_AFTER_SECONDS = 1
RETRY_AFTER_LIMIT_SECONDS = 60
"""After a statement that took too long. It would probably take as long again."""

logger = logging.getLogger(__name__)


_MISSING_RIGHT = "42501"
"""insufficient_privilege."""
_CHECKS_POLICIES = "ExecWithCheckOptions"
"""The function of PostgreSQL that asks the policies of a table about a new row."""


def out_of_group(error: BaseException) -> BaseException:
    """`error`, or the one in it, if it is a group of one. What one task of a group raises comes out
    of the group so, and some frameworks serve each request in a group (Quart, from 0.23 on)."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def explain(error: BaseException) -> TrivetError | None:
    """The public meaning of `error`, or None if it is a fault of ours."""
    error = out_of_group(error)
    if isinstance(error, TrivetError):
        return error
    if isinstance(error, StaleDataError):
        return Conflict("stale", "Someone else changed this meanwhile. Read it again, then retry.")
    if isinstance(error, PoolTimeoutError):
        return busy()
    if (refusal := find_refusal(error)) is not None:
        return explain_refusal(refusal)
    if isinstance(error, StatementError | OverflowError | UnicodeEncodeError) and (
        (violation := find_violation(error)) is not None
    ):
        return violation.error()
    if isinstance(error, DBAPIError):
        if error.orig is not None and (known := explain_driver(error.orig)) is not None:
            return known
        # Lost in the middle of an answer; the driver may call that anything.
        return explain_outage(AWAY) if error.connection_invalidated else None
    return _explain_sending(error)


_OF_VALUES = ValueError | OverflowError | RecursionError | LookupError
"""What a column's type, an encoder or a driver raises in Python for a value; a UnicodeEncodeError
is a ValueError, and an Enum of SQLAlchemy's has a LookupError."""


def _explain_sending(error: BaseException) -> Invalid | None:
    """The meaning of an error that arose in Python on the way to the driver."""
    cause = error.orig if isinstance(error, StatementError) else error
    if cause is None or not is_of_sending(cause) or not isinstance(cause, _OF_VALUES):
        return None
    if type(cause) is ValueError and str(cause):  # a sentence of the type's own
        return Invalid("bad-value", f"A value does not fit: {cause}.")
    return Invalid("bad-value", "A value does not fit: no column can hold it.")


def explain_refusal(refusal: Refusal) -> Invalid:
    """The public meaning of a value that a validator refused."""
    error = Invalid("bad-value", refusal.sentence, attributes=[refusal.attribute])
    error.subject = refusal.mapped
    return error


def explain_driver(error: BaseException) -> TrivetError | None:
    """The public meaning of a driver's own exception (psycopg's, its pool's or sqlite3's), or
    None if it is a fault of ours."""
    if (violation := find_violation(error)) is not None:
        return violation.error()
    if _is_of_other_tenant(error):
        return Forbidden("row-not-yours", "You may not write this row: it would not be yours.")
    kinds = {kind.__name__ for kind in type(error).__mro__}  # PEP 249 gives the names
    if "IntegrityError" in kinds:
        return Conflict("integrity", "This contradicts data that is already there.")
    if "DataError" in kinds:
        return Invalid("bad-value", "A value does not fit: too long, too large, or a NUL in it.")
    if is_over_limit(error):
        return _over_limit(error)
    outage = find_outage(error)
    return None if outage is None else explain_outage(outage)


def _is_of_other_tenant(error: BaseException) -> bool:
    """Whether a policy of PostgreSQL has refused a row. The code is that of every missing right,
    and the sentence is in the language of the server; the place in its source is neither."""
    diagnosis = getattr(error, "diag", None)
    is_right = getattr(error, "sqlstate", None) == _MISSING_RIGHT
    return is_right and getattr(diagnosis, "source_function", "") == _CHECKS_POLICIES


def explain_outage(outage: Outage) -> Unavailable:
    """The public meaning of a database that cannot serve now."""
    return _unavailable(outage.detail)


def _over_limit(error: BaseException) -> Unavailable:
    if not hasattr(error, _LOGGED):  # several places may ask for the meaning of one error
        setattr(error, _LOGGED, True)
        logger.warning(
            "a statement was stopped, because it took longer than %s allows (%s)", SETTING, error
        )
    return Unavailable(
        "statement-limit",
        "The database took too long for this. Ask for less at once, or try again later.",
        retry_after=RETRY_AFTER_LIMIT_SECONDS,
    )


_LOGGED = "trivet_logged"


def busy() -> Unavailable:
    """The error for a request that found no connection, or no thread, in time."""
    return _unavailable("The server is busy. Try again.")


def _unavailable(detail: str) -> Unavailable:
    return Unavailable("database-unavailable", detail, retry_after=RETRY_AFTER_SECONDS)
