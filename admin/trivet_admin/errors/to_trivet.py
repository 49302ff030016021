"""The meaning of Django's exceptions for the caller; beside `trivet.data.errors`."""

from typing import Any

from django.core.exceptions import (
    NON_FIELD_ERRORS,
    ObjectDoesNotExist,
    PermissionDenied,
    ValidationError,
)
from django.db import Error as DjangoDatabaseError
from django.db.models.deletion import ProtectedError, RestrictedError
from django.http import Http404

from trivet.data import errors as faults
from trivet.errors import Conflict, Forbidden, InputError, Invalid, NotFound, TrivetError
from trivet_admin.errors.to_django import RefusedValueError, StaleEditError


def explain(error: BaseException) -> TrivetError | None:
    """The public meaning of `error`, SQLAlchemy's and the platform's own included, or None if
    it is a fault of ours."""
    if isinstance(error, ObjectDoesNotExist | Http404):
        return NotFound("not-found", "There is no such thing.")
    if isinstance(error, PermissionDenied):
        return Forbidden("forbidden", "You may not do this.")
    if isinstance(error, ValidationError):
        return Invalid("invalid", " ".join(error.messages), errors=_pointers(error))
    return explain_database(error)


def explain_database(error: BaseException) -> TrivetError | None:
    """The public meaning of what the database, or the state of its data, refused."""
    if isinstance(error, StaleEditError):
        return Conflict("stale", str(error))
    if isinstance(error, RefusedValueError):
        return error.refusal
    if isinstance(error, ProtectedError | RestrictedError):
        return Conflict("referred-to", "This is still referred to. Nothing was changed.")
    if isinstance(error, DjangoDatabaseError) and error.__cause__ is not None:
        # Django raises its own from the driver's.
        return faults.explain_driver(error.__cause__)
    return faults.explain(error)


def _pointers(error: Any) -> list[InputError]:
    named: dict[str, list[str]] = getattr(error, "message_dict", {})
    return [
        {"pointer": "" if name == NON_FIELD_ERRORS else f"/{name}", "detail": detail}
        for name, details in named.items()
        for detail in details
    ]
