"""Values of columns as texts: in query strings, and as the key in a path.

A text is read by the letter. It has to be written as JSON would write the value, and to fit its
column: ``5.0`` is no whole number, ``yes`` is no flag, ``0`` is no date, and what a column cannot
hold is refused before the database is asked.
"""

import datetime as dt
import enum
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import (
    AwareDatetime,
    FutureDatetime,
    NaiveDatetime,
    PastDatetime,
    TypeAdapter,
    ValidationError,
)

from trivet.data.fitting.fit import UnfitError
from trivet_api.resource.faults import TextFault
from trivet_api.resource.fields import Field

Reader = Callable[[str], Any]

LONGEST = 1000
"""In characters: the longest value that is looked for."""
_INTEGER = re.compile(r"-?[0-9]{1,40}")
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
_DECIMAL = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?")
_FLAGS = {"true": True, "false": False}
_MICROSECONDS = 2**63 // 10**6 // 86400 - 1
"""In days: the longest span that 64 bits of microseconds hold, which is how SQLite keeps one."""


def base_type(annotation: Any) -> type[Any]:
    """The class behind an annotation; a choice of texts is an `enum.Enum`, and what is no one
    class is `object`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return base_type(get_args(annotation)[0])
    if origin is Literal:
        return enum.Enum
    if origin in (Union, UnionType):
        kinds = {base_type(each) for each in get_args(annotation) if each is not type(None)}
        return kinds.pop() if len(kinds) == 1 else object
    if annotation in (AwareDatetime, NaiveDatetime, FutureDatetime, PastDatetime):
        return dt.datetime  # Pydantic's are no classes of instants
    found = origin or annotation
    return found if isinstance(found, type) else object


def reader_of(field: Field) -> Reader:
    """The function that reads texts as values of `field`. It raises `TextFault`."""
    kind = base_type(field.annotation)
    first = next((read for known, read in _READERS if issubclass(kind, known)), _as_it_is)
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation)
    fit = field.fit

    def read(text: str) -> Any:
        plain = first(_readable(text))
        try:
            value = adapter.validate_python(plain)
            if fit is not None:
                fit(value)
        except ValidationError as error:
            raise TextFault(_sentence(error)) from None
        except UnfitError as unfit:
            raise TextFault(str(unfit)) from None
        return _in_reach(value)

    return read


def read_flag(text: str) -> bool:
    """``true`` or ``false``."""
    found = _FLAGS.get(text)
    if found is None:
        raise TextFault("write true or false")
    return found


def read_integer(text: str) -> int:
    """A whole number, in digits alone."""
    if _INTEGER.fullmatch(text) is None:
        raise TextFault("write a whole number")
    return int(text)


def read_text(text: str) -> str:
    """A text that a database can keep."""
    return _readable(text)


def _readable(text: str) -> str:
    if len(text) > LONGEST:
        raise TextFault(f"write at most {LONGEST} characters")
    if "\0" in text:
        raise TextFault("no text has a character NUL")
    return text


def _read_float(text: str) -> float:
    if _NUMBER.fullmatch(text) is None or not math.isfinite(float(text)):
        raise TextFault("write a number")
    return float(text)


def _read_decimal(text: str) -> Decimal:
    if _DECIMAL.fullmatch(text) is None:
        raise TextFault("write a number, in digits")
    try:
        return Decimal(text)
    except InvalidOperation:  # pragma: no cover  # the pattern lets none of these through
        raise TextFault("write a number, in digits") from None


def _read_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise TextFault("write bytes in hexadecimal digits") from None


def _as_it_is(text: str) -> str:
    return text


def _in_reach(value: Any) -> Any:
    """The value, if every database of ours can be asked about it."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise TextFault("it is beyond 64 bits")
    if isinstance(value, dt.timedelta) and abs(value.days) > _MICROSECONDS:
        raise TextFault("it is longer than any that is kept")
    if isinstance(value, dt.datetime) and value.utcoffset() is not None:
        try:
            value.astimezone(dt.UTC)
        except OverflowError:
            raise TextFault("in UTC it is not in the years 1 to 9999") from None
    return value


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    text = first["msg"].removeprefix("Value error, ").replace("Input should", "it should")
    return text[:1].lower() + text[1:]


_READERS: tuple[tuple[Any, Reader], ...] = (
    (enum.Enum, _as_it_is),
    (bool, read_flag),
    (int, read_integer),
    (float, _read_float),
    (Decimal, _read_decimal),
    (bytes, _read_hex),
)
"""Asked from above: a flag is an int, and an enum may be one too."""

ORDERED = (int, float, Decimal, dt.date, dt.time, dt.timedelta)
"""The classes of values of which one is more than another (an instant is a date)."""
COMPARED = (*ORDERED, str, bool, UUID, enum.Enum)
"""Those of which one is asked whether it equals another."""
