"""Writes that were refused, in the words of Django's own families of errors.

The seam between the ORMs translates: whatever SQLAlchemy raises for a mirrored model
arrives in Django code as an error that Django code already knows how to treat.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

from django.core.exceptions import ValidationError
from django.db import DatabaseError, DataError, NotSupportedError
from django.db.backends.base.base import BaseDatabaseWrapper
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.orm.exc import StaleDataError

from trivet.data.bounds import OutOfBoundsError
from trivet.errors import Invalid

CHANGED_MEANWHILE = (
    "Someone else changed this since you opened it. Nothing was saved: open it again to see "
    "the present values, then make your change."
)
GONE_MEANWHILE = "Someone else deleted this since you opened it. Nothing was saved."


class StaleEditError(DatabaseError):
    """An edit of a row that has changed, or gone, since it was read. Nothing was written."""


class RefusedValueError(DataError):
    """A value that a column cannot hold, as a database says it; `refusal` names the field."""

    def __init__(self, refusal: Invalid) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def not_supported(what: str, instead: str) -> NotSupportedError:
    """The error for a Django feature that mirrored models do not have, with the cure."""
    return NotSupportedError(f"{what} is not supported for a mirrored model; {instead}")


def refused_value(fields: Mapping[str, str]) -> ValidationError:
    """The error for values that the mapped class refused: a sentence for each field."""
    return ValidationError({name: [sentence] for name, sentence in fields.items()})


def raise_for_django(error: Exception, connection: BaseDatabaseWrapper) -> NoReturn:
    """Raise what `error`, from SQLAlchemy, is called in Django; the cause stays attached."""
    if isinstance(error, StaleDataError):
        raise StaleEditError(CHANGED_MEANWHILE) from error
    if isinstance(error, DBAPIError) and error.orig is not None:
        driver_error: Any = error.orig
        # SQLAlchemy's error was raised from the driver's, and now it is the other way round:
        # code that prints a circular chain would never end.
        error.__cause__ = error.__context__ = None
        with connection.wrap_database_errors:
            raise driver_error from error
    if isinstance(error, OutOfBoundsError):
        raise RefusedValueError(error) from error
    if isinstance(error, StatementError):
        raise DataError(str(error.orig or error)) from error
    raise error
