"""What a new row has where nobody gave a value, as a form shows it beforehand.

A default that only SQLAlchemy or the database can work out is left to them: the form shows
nothing, and a field that stays empty is not written.
"""

import inspect
from collections.abc import Callable
from typing import Any

from sqlalchemy import Boolean, Column
from sqlalchemy.sql import False_, True_

_FLAGS = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
"""How people write the default of a flag, on one database or the other."""


def default_of(column: "Column[Any]") -> Any:
    """The default for Django's field of `column`: a value or a function; None for none."""
    default: Any = column.default
    if default is None:
        return _flag(column)
    if default.is_clause_element or default.is_sequence:
        return None
    if default.is_callable:
        return ComputedDefault(default.arg)
    return Constant(default.arg) if isinstance(default.arg, dict | list) else default.arg


def wants_context(default: Any) -> bool:
    """Whether a default of SQLAlchemy's is a function of the row that it stands in."""
    if not default.is_callable:
        return False
    try:  # a function without parameters has been wrapped, and shows its own signature
        parameters = inspect.signature(default.arg).parameters.values()
    except (TypeError, ValueError):  # what Python itself cannot look into, such as `dict`
        return False
    return any(
        each.default is each.empty
        and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
        for each in parameters
    )


def _flag(column: "Column[Any]") -> bool | None:
    """The server's default of a flag, if it is a constant. An unchecked box is a given value, so
    the form has to begin as the database would."""
    written: Any = getattr(column.server_default, "arg", None)
    if written is None or not isinstance(column.type, Boolean):
        return None
    if isinstance(written, True_ | False_):
        return isinstance(written, True_)
    word = str(getattr(written, "text", written)).partition("::")[0].strip(" '()")
    return _FLAGS.get(word.lower())


class Constant:
    """A default that every instance must have its own copy of."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return bool(self._value == other)

    __hash__ = None  # type: ignore[assignment]  # as its value

    def __call__(self) -> Any:
        return self._value.copy()


class ComputedDefault:
    """A Python default of SQLAlchemy's, called as Django calls one: without a context. One that
    fails then is left to SQLAlchemy, which has one."""

    def __init__(self, default: Callable[[Any], Any]) -> None:
        self._default = default

    def __call__(self) -> Any:
        try:
            return self._default(None)
        except Exception:  # noqa: BLE001  # whatever it says about a context that is none
            return None
