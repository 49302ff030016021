"""JSON documents: RFC 8259, and no deeper than every reader can follow.

PostgreSQL's ``jsonb`` has no NaN, no NUL and no lone surrogates. It writes a large float out as a
whole number. SQLite takes the text as it comes; here both hold the same.
"""

from decimal import Decimal
from typing import Any

from trivet.data.fitting.fit import UnfitError
from trivet.data.fitting.texts import require_storable

JSON_DEPTH = 100
"""Levels of objects and arrays. Pydantic writes out 255 of them, and Python's own reader and
writer follow a thousand at most, less what is on their stack already (docs/decisions/0062)."""
LONGEST_WHOLE = 10**1000
"""Python reads whole numbers of up to 4,300 digits; who counts further needs no database."""

FIRST_EXPONENT = 1e16
"""From here on Python writes a float with an exponent."""


def fit_document(value: Any) -> Any:
    """The document as it is read back; `value` itself if that is no other."""
    return _fit(value, 0)


def _fit(value: Any, depth: int) -> Any:
    kind = type(value)
    if kind is str:
        require_storable(value)
        return value
    if value is None or kind is bool:
        return value
    if kind is int:
        if not -LONGEST_WHOLE < value < LONGEST_WHOLE:
            raise UnfitError("a number in it has too many digits")
        return value
    if kind is float:
        return _number(value)
    if depth >= JSON_DEPTH and isinstance(value, dict | list | tuple):
        raise UnfitError(f"it is nested deeper than {JSON_DEPTH} levels")
    if isinstance(value, dict):
        return _object(value, depth + 1)
    if isinstance(value, list | tuple):
        return _array(value, depth + 1)
    return _plain(value)


def _number(value: float) -> Any:
    if value - value != 0:  # NaN and Infinity
        raise UnfitError("a number in it is not finite, and JSON has no such numbers")
    if value == 0:
        return 0.0 if str(value) == "-0.0" else value
    # As jsonb prints it: without an exponent, and so without a point.
    return int(Decimal(repr(value))) if abs(value) >= FIRST_EXPONENT else value


def _object(value: dict[Any, Any], depth: int) -> Any:
    fitted = {}
    is_same = True
    for key, each in value.items():
        name, found = _name(key), _fit(each, depth)
        is_same = is_same and name is key and found is each
        fitted[name] = found
    if len(fitted) != len(value):
        raise UnfitError("two of its keys are one in JSON")
    return value if is_same else fitted


def _name(key: Any) -> str:
    if isinstance(key, str):
        require_storable(key)
        return key if type(key) is str else str.__str__(key)
    if isinstance(key, int) and not isinstance(key, bool):
        return str(int(key))  # as Python's own writer does
    raise UnfitError(f"a key in it is {type(key).__name__} and no text")


def _array(value: Any, depth: int) -> Any:
    fitted = [_fit(each, depth) for each in value]
    is_same = isinstance(value, list) and all(map(_is_same, fitted, value))
    return value if is_same else fitted


def _is_same(one: Any, other: Any) -> bool:
    return one is other


def _plain(value: Any) -> Any:
    """A subclass of a plain type, such as a member of an enum, as JSON has it."""
    for kind in (str, int, float):
        if isinstance(value, kind):
            plain: Any = str.__str__(value) if kind is str else kind(value)
            return _fit(plain, 0)
    raise UnfitError(f"it holds {type(value).__name__}, which JSON does not have")
