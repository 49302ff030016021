"""The Python values of a decorated type, found by giving it examples.

A `TypeDecorator` says what it makes of a value, and not always of which values. So it is asked: a
kind of value is the type's own if an example of it comes back as it was, and if what lies between
fits the type below. What is found so can be edited by the form of that kind, because the same way
is what a save goes.
"""

import datetime as dt
import enum
import ipaddress
import types
import typing
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped
from sqlalchemy.types import TypeEngine

from trivet.data.fitting import Fit, fit_of

_INSTANT = dt.datetime(2013, 2, 8, 17, 30, 5, tzinfo=dt.UTC)
EXAMPLES: dict[str, Any] = {
    "object": {"text": 7},
    "list": ["text", "other"],
    "uuid": uuid.UUID("0f8fad5b-d9cb-469f-a165-70867728950e"),
    "instant": _INSTANT,
    "wall time": _INSTANT.replace(tzinfo=None),
    "day": _INSTANT.date(),
    "time": _INSTANT.time(),
    "span": dt.timedelta(days=1, seconds=5),
    "decimal": Decimal(12),
    "flag": True,
    "whole": 7,
    "float": 12.0,
    "address": ipaddress.ip_address("10.0.0.7"),
    "text": "text",
    "bytes": b"bytes",
}
"""By kind, documents first, because they take flags and texts too. The values are round, so that a
type which cuts microseconds or places knows them."""
ANNOTATED: dict[Any, tuple[str, ...]] = {
    uuid.UUID: ("uuid",),
    dt.datetime: ("instant", "wall time"),
    dt.date: ("day",),
    dt.time: ("time",),
    dt.timedelta: ("span",),
    Decimal: ("decimal",),
    bool: ("flag",),
    int: ("whole",),
    float: ("float",),
    str: ("text",),
    dict: ("object",),
    list: ("list",),
    bytes: ("bytes",),
    ipaddress.IPv4Address: ("address",),
    ipaddress.IPv6Address: ("address",),
}
"""The kinds that an annotation may mean."""


def kind_of(kind: TypeEngine[Any], dialect: Dialect, annotation: Any = None) -> str | None:
    """The kind of values of a decorated type; None if it has values of a kind of their own."""
    fit = fit_of(kind, dialect)
    if fit is None:
        return None
    found = next((name for name in _candidates(annotation) if _comes_back(fit, name)), None)
    if found == "object" and _comes_back(fit, "uuid"):
        return None  # it takes anything, as pickles do, and no form has room for that
    return found


def _comes_back(fit: Fit, name: str) -> bool:
    example = EXAMPLES[name]
    try:
        back = fit(example)
    except Exception:  # noqa: BLE001  # whatever code of others says to a foreign value
        return False
    return type(back) is type(example) and back == example and _zone(back) == _zone(example)


def members_of(annotation: Any) -> type[enum.Enum] | None:
    """The enum that an annotation names, if it does."""
    is_enum = isinstance(annotation, type) and issubclass(annotation, enum.Enum)
    return annotation if is_enum else None


def annotation_of(mapped: type[Any], key: str) -> Any:
    """The Python type that the mapped class gives for an attribute: without ``Mapped``, NULL and
    parameters. None if it says nothing, or nothing that can be read here."""
    hashable: Any = mapped
    found = _hints_of(hashable).get(key)
    if typing.get_origin(found) is Mapped:
        (found,) = typing.get_args(found)
    if typing.get_origin(found) in (typing.Union, types.UnionType):
        given = [each for each in typing.get_args(found) if each is not type(None)]
        found = given[0] if len(given) == 1 else None
    return typing.get_origin(found) or found


@cache  # asked for each attribute, and worked out of the source of a whole class
def _hints_of(mapped: Any) -> Mapping[str, Any]:
    try:
        return typing.get_type_hints(mapped)
    except Exception:  # noqa: BLE001  # names that only a type checker imports
        return {}


def _candidates(annotation: Any) -> Iterator[str]:
    """The kinds to try: those that the annotation names, or all."""
    if annotation in ANNOTATED:
        yield from ANNOTATED[annotation]
    elif not isinstance(annotation, type) or annotation in (Any, object):
        yield from EXAMPLES


def _zone(value: Any) -> bool:
    return isinstance(value, dt.datetime) and value.tzinfo is not None
