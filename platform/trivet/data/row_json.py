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
from sqlalchemy.orm import Mapper
from sqlalchemy.types import PickleType, TypeDecorator

from trivet.capture.old_values import columns_of
from trivet.data.fitting.examples import annotation_of
from trivet.data.fitting.ranges import RANGES
from trivet.data.json_values import (
    Writer,
    is_of_others,
    kind_anywhere,
    stored_names,
    write_decimal,
    write_each,
    write_model,
    write_range,
    write_span,
)
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime
from trivet.models.withheld import is_withheld


class Unreadable(Exception):
    """Values of this type have no form in JSON."""


def writers_of(mapper: Mapper[Any]) -> dict[str, Writer | None]:
    """The writers of the columns of a class that can be shown, by attribute; None: msgspec alone
    writes them. Secrets and unreadable columns are left out."""
    found: dict[str, Writer | None] = {}
    for key, column in columns_of(mapper).items():
        if not is_withheld(mapper, key):
            try:
                found[key] = _writer_of(column.type, annotation_of(mapper.class_, key))
            except Unreadable:
                continue
    return found


def _writer_of(kind: Any, hint: Any = None) -> Writer | None:
    if is_of_others(kind):
        return _writer_of_decorated(kind, hint)
    for kinds, make in _MAKERS:
        if isinstance(kind, kinds):
            return make(kind)
    raise Unreadable


def write_instant(value: dt.datetime) -> dt.datetime:
    """An instant in UTC; the time of a clock without a zone as it is."""
    return value if value.tzinfo is None else value.astimezone(dt.UTC)


def _write_decimal(value: Any) -> Any:
    """A value of a column without places, which may have been given as another number."""
    return write_decimal(value) if isinstance(value, Decimal) else value


def _enum_writer(kind: Enum) -> Writer | None:
    """An enum by what its column stores, where that is not the value of its members."""
    names = stored_names(kind)
    return None if names is None else lambda member: names.get(member, member)


def _decimal_writer(kind: Any) -> Writer | None:
    """A decimal with the places that its column keeps."""
    if not kind.asdecimal:
        return float
    places = (kind.decimal_return_scale or FLOAT_PLACES) if isinstance(kind, Float) else kind.scale
    if places is None:
        return _write_decimal
    step = Decimal(1).scaleb(-places)

    def write(value: Any) -> Any:
        decimal = value if isinstance(value, Decimal) else Decimal(str(value))
        return write_decimal(decimal.quantize(step, context=_WIDE))

    return write


def _array_writer(kind: Any) -> Writer | None:
    writer = _writer_of(kind.item_type)
    return None if writer is None else write_each(writer)


def _writer_of_decorated(kind: "TypeDecorator[Any]", hint: Any) -> Writer | None:
    """Values of a decorated type by what they are on the side of Python. An object of somebody's
    own is unreadable: its text was made for people."""
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return None
    if hasattr(hint, "model_dump"):
        return write_model
    if isinstance(kind, PickleType):
        raise Unreadable
    name = kind_anywhere(kind, hint)
    if name is None:
        raise Unreadable
    return _BY_NAME.get(name)


def _always(writer: Writer | None) -> Callable[[Any], Writer | None]:
    return lambda _kind: writer


_WIDE = Context(prec=2_000, rounding=ROUND_HALF_UP)
"""As PostgreSQL rounds; more digits than any column has."""
FLOAT_PLACES = 10
"""With which SQLAlchemy makes decimals of floats."""
_BY_NAME: Mapping[str, Writer] = {
    "instant": write_instant,
    "span": write_span,
    "decimal": _write_decimal,
    "address": str,
}
"""By the names of `trivet.data.fitting.examples`; msgspec writes the others."""
_MAKERS: tuple[tuple[Any, Callable[[Any], Writer | None]], ...] = (
    ((UtcDateTime, DateTime), _always(write_instant)),
    ((Microseconds, Interval, pg.INTERVAL), _always(write_span)),
    (Enum, _enum_writer),
    ((Numeric, Float), _decimal_writer),
    (ARRAY, _array_writer),
    (RANGES, _always(write_range)),
    ((pg.INET, pg.CIDR, pg.MACADDR, pg.MACADDR8, pg.BIT, pg.MONEY, pg.OID), _always(str)),
    ((Boolean, Integer, Date, Time, IsoTime, Uuid, String), _always(None)),
    ((JSON, JsonDocument, pg.HSTORE), _always(None)),
    ((LargeBinary, BINARY, VARBINARY), _always(None)),
)
"""Asked from above, the more special before the general."""
