"""The values of columns in the JSON of a row that is published: the JSON that a resource gives.

A writer makes of a value what msgspec writes. Values that msgspec writes in the right form by
itself (texts, numbers, flags, UUIDs, dates, bytes in Base64) have none. What nobody could rely on
in JSON (pickled objects, search vectors, types that nobody knows) is unreadable and stays at home.

An object that was just written may hold a value that its row has in another form. So instants are
turned to UTC and decimals get the places of their column here.
"""

import datetime as dt
import enum
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BINARY,
    JSON,
    VARBINARY,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper
from sqlalchemy.types import PickleType, TypeDecorator

from trivet.capture.old_values import columns_of
from trivet.data.fitting.examples import annotation_of, kind_of
from trivet.models.secret_columns import is_secret
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime

Writer = Callable[[Any], Any]


class Unreadable(Exception):
    """Values of this type have no form in JSON."""


def writers_of(mapper: Mapper[Any]) -> dict[str, Writer | None]:
    """The writers of the columns of a class that can be shown, by attribute; None: msgspec alone
    writes them. Secrets and unreadable columns are left out."""
    found: dict[str, Writer | None] = {}
    for key, column in columns_of(mapper).items():
        if not is_secret(column):
            try:
                found[key] = _writer_of(column.type, annotation_of(mapper.class_, key))
            except Unreadable:
                continue
    return found


def _writer_of(kind: Any, hint: Any = None) -> Writer | None:
    if isinstance(kind, TypeDecorator) and not isinstance(kind, _OURS):
        return _writer_of_decorated(kind, hint)
    for kinds, make in _MAKERS:
        if isinstance(kind, kinds):
            return make(kind)
    raise Unreadable


def write_instant(value: dt.datetime) -> dt.datetime:
    """An instant in UTC; the time of a clock without a zone as it is."""
    return value if value.tzinfo is None else value.astimezone(dt.UTC)


def write_span(value: dt.timedelta) -> str:
    """A span of time as ISO 8601 has it, in days and seconds."""
    sign = "-" if value < dt.timedelta() else ""
    value = abs(value)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    days = f"{value.days}D" if value.days else ""
    seconds = f"T{value.seconds}{fraction}S" if value.seconds or fraction or not days else ""
    return f"{sign}P{days}{seconds}"


def write_range(value: Any) -> dict[str, Any]:
    """A range of PostgreSQL's: both ends, and whether they belong to it."""
    ends = {"lower": value.lower, "upper": value.upper}
    return {**ends, "bounds": value.bounds, "empty": value.isempty}


def write_decimal(value: Any) -> Any:
    """A decimal in digits, without an exponent."""
    return format(value, "f") if isinstance(value, Decimal) else value


def _enum_writer(kind: Enum) -> Writer | None:
    """An enum by what its column stores, where that is not the value of its members."""
    if kind.enum_class is None:
        return None
    members: list[enum.Enum] = list(kind.enum_class)
    if kind.enums == [each.value for each in members]:
        return None
    names = dict(zip(members, kind.enums, strict=False))
    return lambda member: names.get(member, member)


def _decimal_writer(kind: Any) -> Writer | None:
    """A decimal with the places that its column keeps."""
    if not kind.asdecimal:
        return float
    places = (kind.decimal_return_scale or FLOAT_PLACES) if isinstance(kind, Float) else kind.scale
    if places is None:
        return write_decimal
    step = Decimal(1).scaleb(-places)

    def write(value: Any) -> Any:
        decimal = value if isinstance(value, Decimal) else Decimal(str(value))
        return write_decimal(decimal.quantize(step, context=_WIDE))

    return write


def _array_writer(kind: Any) -> Writer | None:
    writer = _writer_of(kind.item_type)
    if writer is None:
        return None

    def write(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [write(each) for each in value]
        return None if value is None else writer(value)

    return write


def _writer_of_decorated(kind: "TypeDecorator[Any]", hint: Any) -> Writer | None:
    """Values of a decorated type by what they are on the side of Python. An object of somebody's
    own is unreadable: its text was made for people."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return None
    if hasattr(hint, "model_dump"):
        return lambda value: value.model_dump(mode="json")
    if isinstance(kind, PickleType):
        raise Unreadable
    for dialect in _DIALECTS:
        try:
            name = kind_of(kind, dialect, hint)
        except Exception:  # noqa: BLE001  # whatever code of others says about a foreign database
            name = None
        if name is not None:
            return _BY_NAME.get(name)
    raise Unreadable


def _always(writer: Writer | None) -> Callable[[Any], Writer | None]:
    return lambda _kind: writer


_OURS = (UtcDateTime, IsoTime, Microseconds, JsonDocument, Interval)
_WIDE = Context(prec=2_000, rounding=ROUND_HALF_UP)
"""As PostgreSQL rounds; more digits than any column has."""
_DIALECTS: tuple[Dialect, ...] = (pg.dialect(), sqlite.dialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's
FLOAT_PLACES = 10
"""With which SQLAlchemy makes decimals of floats."""
_RANGES = (
    *(pg.INT4RANGE, pg.INT8RANGE, pg.NUMRANGE),
    *(pg.DATERANGE, pg.TSRANGE, pg.TSTZRANGE),
)
_BY_NAME: Mapping[str, Writer] = {
    "instant": write_instant,
    "span": write_span,
    "decimal": write_decimal,
    "address": str,
}
"""By the names of `trivet.data.fitting.examples`; msgspec writes the others."""
_MAKERS: tuple[tuple[Any, Callable[[Any], Writer | None]], ...] = (
    ((UtcDateTime, DateTime), _always(write_instant)),
    ((Microseconds, Interval, pg.INTERVAL), _always(write_span)),
    (Enum, _enum_writer),
    ((Numeric, Float), _decimal_writer),
    (ARRAY, _array_writer),
    (_RANGES, _always(write_range)),
    ((pg.INET, pg.CIDR, pg.MACADDR, pg.MACADDR8, pg.BIT, pg.MONEY, pg.OID), _always(str)),
    ((Boolean, Integer, Date, Time, IsoTime, Uuid, String), _always(None)),
    ((JSON, JsonDocument, pg.HSTORE), _always(None)),
    ((LargeBinary, BINARY, VARBINARY), _always(None)),
)
"""Asked from above, the more special before the general."""
