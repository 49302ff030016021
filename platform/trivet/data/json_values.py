"""Values that msgspec does not write in the form that clients are promised, and how they are.

A resource and a live channel give the same JSON of a row (docs/resources.md has the table). What
each of them knows of a column's type stands with it: a schema, or the form of a value that was just
written. What becomes of a value stands here alone.
"""

import datetime as dt
import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import Enum, Interval
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from trivet.data.fitting.examples import kind_of
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime

Writer = Callable[[Any], Any]
"""Makes of a value what msgspec writes."""

_OURS = (UtcDateTime, IsoTime, Microseconds, JsonDocument, Interval)
_DIALECTS: tuple[Dialect, ...] = tuple(kind() for kind in (PGDialect, SQLiteDialect))
"""Those that a column's type may be asked for, the stricter one first."""


def is_of_others(kind: Any) -> bool:
    """Whether a type is decorated by somebody, so that its values are known by what they are on the
    side of Python."""
    return isinstance(kind, TypeDecorator) and not isinstance(kind, _OURS)


def kind_anywhere(kind: Any, hint: Any) -> str | None:
    """What the values of a decorated type are, by the names of `trivet.data.fitting.examples`; None
    if nobody knows. `hint` is what the class annotates."""
    return next(filter(None, (_kind(kind, each, hint) for each in _DIALECTS)), None)


def _kind(kind: Any, dialect: Dialect, hint: Any) -> str | None:
    try:
        return kind_of(kind, dialect, hint)
    except Exception:  # noqa: BLE001  # whatever code of others says about a foreign database
        return None


def write_span(value: dt.timedelta) -> str:
    """A span of time as ISO 8601 has it, in days and seconds."""
    sign = "-" if value < dt.timedelta() else ""
    value = abs(value)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    seconds = f"T{value.seconds}{fraction}S" if value.seconds or fraction or not days else ""
    return f"{sign}P{days}{seconds}"


def write_decimal(value: Decimal) -> str:
    """A decimal in digits, without an exponent."""
    return format(value, "f")


def write_range(value: Any) -> dict[str, Any]:
    """A range of PostgreSQL's: both ends, and whether they belong to it."""
    ends = {"lower": value.lower, "upper": value.upper}
    return {**ends, "bounds": value.bounds, "empty": value.isempty}


def write_model(value: Any) -> Any:
    """An object of Pydantic's."""
    return value.model_dump(mode="json")


def write_each(write: Writer) -> Writer:
    """A list of values, in as many dimensions as it has."""

    def write_list(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [write_list(each) for each in value]
        return None if value is None else write(value)

    return write_list


def stored_names(kind: Enum) -> Mapping[enum.Enum, str] | None:
    """What a column stores of the members of an enum, where that is not their value; None for a
    column whose members msgspec writes as they are stored, and for one without a class."""
    if kind.enum_class is None:
        return None
    members: list[enum.Enum] = list(kind.enum_class)
    every: list[enum.Enum] = list(kind.enum_class.__members__.values())
    if len(kind.enums) == len(every):
        members = every  # other names of a member are there too, and its first one is written
    if kind.enums == [each.value for each in members]:
        return None
    stored: dict[enum.Enum, str] = {}
    for member, name in zip(members, kind.enums, strict=False):
        stored.setdefault(member, name)
    return stored
