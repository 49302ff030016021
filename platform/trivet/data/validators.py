"""Values that a ``@validates`` function refused, distinguished from bugs.

A validator refuses by raising ValueError, AssertionError or TypeError, as Python code does. Bugs
anywhere raise the same exceptions, and nothing in them says where they come from. So every
validator of a mapped class is wrapped when the class is configured. Its exception gets a note of
the attribute, and code that has to answer calls `find_refusal`.

The exception itself stays the same, so code can still catch the ValueError of a model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from sqlalchemy.orm import Mapper

from trivet.errors import TrivetError, errors_at

_NOTE = "trivet_refusal"
"""The attribute of an exception that holds its `Refusal`."""
_WRAPPED = "trivet_wrapped"
"""The mark of a wrapped validator."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A value that the validator of `attribute` of `mapped` refused, with the reason."""

    mapped: type[Any]
    attribute: str
    sentence: str


def find_refusal(error: BaseException) -> Refusal | None:
    """The refusal of a validator behind `error`; None if no validator raised it."""
    refusal: Refusal | None = getattr(error, _NOTE, None)
    return refusal


def wrap_validators(mapper: Mapper[Any], mapped: type[Any]) -> None:
    """Make the errors of the validators of `mapped` name their attribute. A listener of
    ``before_mapper_configured``: after it SQLAlchemy reads the validators."""
    validators: Mapping[str, Any] = mapper.validators  # functions; SQLAlchemy says str
    wrapped = {
        key: (_wrap(validator, mapper, mapped, key), options)
        for key, (validator, options) in validators.items()
        if not hasattr(validator, _WRAPPED)
    }
    if wrapped:
        mapper.validators = mapper.validators.union(wrapped)


def _wrap(
    validator: Callable[..., Any], mapper: Mapper[Any], mapped: type[Any], key: str
) -> Callable[..., Any]:
    @wraps(validator)
    def validate(instance: Any, name: str, value: Any, *is_remove: bool) -> Any:
        try:
            return validator(instance, name, value, *is_remove)
        except TrivetError as error:
            if "errors" not in error.data:
                error.data = {**error.data, "errors": errors_at([key], error.detail)}
                error.subject = mapped
            raise
        except (ValueError, AssertionError, TypeError, AttributeError) as error:
            sentence = _sentence(error, mapper, key, value)
            if sentence is not None and find_refusal(error) is None:
                setattr(error, _NOTE, Refusal(mapped, key, sentence))
            raise

    setattr(validate, _WRAPPED, True)
    return validate


def _sentence(error: Exception, mapper: Mapper[Any], key: str, value: Any) -> str | None:
    """A sentence about the fault of `value`; None if `error` is a bug of the validator.

    A validator that gets None for a required value fails with Python's own words about NoneType,
    which help nobody. Only in this case an AttributeError is a refusal.
    """
    if value is None and isinstance(error, TypeError | AttributeError):
        if isinstance(error, TypeError) or not _is_nullable(mapper, key):
            return "a value is needed"
        return None
    if isinstance(error, AttributeError):
        return None
    return str(error) or "this value is not allowed"


def _is_nullable(mapper: Mapper[Any], key: str) -> bool:
    column = mapper.columns.get(key)
    return column is None or bool(getattr(column, "nullable", True))
