"""The meaning of a refused write for the person at the form."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DataError, IntegrityError, models
from django.db.models.deletion import ProtectedError, RestrictedError

from trivet.errors import Conflict, InputError, Invalid, TrivetError
from trivet_admin.errors.to_django import StaleEditError
from trivet_admin.errors.to_trivet import explain_database
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.site.forms import FormErrors

_REFUSALS = (TrivetError, ValidationError, IntegrityError, DataError, StaleEditError)


def is_refusal(error: Exception) -> bool:
    """Whether `error` says that a write may not be; anything else is a fault of ours."""
    if isinstance(error, _REFUSALS):
        return True
    explained = explain_database(error)  # SQLAlchemy's, of a service
    return isinstance(explained, Conflict | Invalid)


def form_errors_of(
    error: Exception, model: type[models.Model], hidden: frozenset[str] = frozenset()
) -> FormErrors:
    """The sentences for a form of `model`, each at the field that it is about. One sentence about
    several fields, or about another model, is about the whole form; and so is what is said of
    `hidden` attributes, of which no more is told than that they stand against it."""
    found = _errors_of(error, model)
    unseen = [name for name in found if name in hidden]
    if not unseen:
        return found
    names = {each.name: str(each.verbose_name) for each in model._meta.concrete_fields}
    told = " and ".join(names.get(name, name) for name in unseen)
    sentence = f"You may not save this: it needs another {told}, which you do not see."
    seen = {name: each for name, each in found.items() if name not in hidden}
    return {**seen, NON_FIELD_ERRORS: [*seen.get(NON_FIELD_ERRORS, ()), sentence]}


def _errors_of(error: Exception, model: type[models.Model]) -> FormErrors:
    if isinstance(error, ValidationError):
        return getattr(error, "message_dict", None) or {NON_FIELD_ERRORS: error.messages}
    explained = explain_database(error)
    if explained is None or isinstance(error, StaleEditError):
        return {NON_FIELD_ERRORS: [sentence_of(error)]}
    errors: Sequence[InputError] = explained.data.get("errors", ())
    found: dict[str, list[str]] = {}
    for each in errors:
        is_of_all = len(errors) > 1 and _same(each["detail"], explained.detail)
        where = NON_FIELD_ERRORS if is_of_all else _field(each, explained, model)
        if each["detail"] not in found.setdefault(where, []):
            found[where].append(each["detail"])
    return found or {NON_FIELD_ERRORS: [sentence_of(error)]}


def _same(detail: str, sentence: str) -> bool:
    """Whether what is said of one field is what is said of the whole."""
    return detail.rstrip(".").lower() == sentence.rstrip(".").lower()


def sentence_of(error: Exception) -> str:
    """One sentence for a message, where there is no form."""
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, ProtectedError | RestrictedError):
        return "This is still referred to. Nothing was changed."
    if isinstance(error, StaleEditError):
        return str(error)
    explained = explain_database(error)
    if explained is None:
        return "This contradicts data that is already there. Nothing was changed."
    if isinstance(error, TrivetError):
        return explained.detail
    return f"{explained.detail} Nothing was changed."


def _field(fault: Any, explained: TrivetError, model: type[models.Model]) -> str:
    """The form's name of what a pointer names; a mapped attribute is shown at its field."""
    name = str(fault["pointer"]).lstrip("/").partition("/")[0].replace("~1", "/").replace("~0", "~")
    shape = find_shape(model)
    if not name or not isinstance(shape, Shape):
        return name or NON_FIELD_ERRORS
    if explained.subject is not None and not issubclass(shape.mapped, explained.subject):
        return NON_FIELD_ERRORS
    fields = model._meta.concrete_fields
    return next((f.name for f in fields if name in (f.name, shape.keys.get(f.attname))), name)
