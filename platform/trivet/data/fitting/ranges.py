"""The ranges of PostgreSQL, and the type of what stands at their ends."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import BigInteger, Date, DateTime, Integer, Numeric
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import TypeEngine

_ENDS: Mapping[type[Any], Callable[[], TypeEngine[Any]]] = {
    pg.INT4RANGE: Integer,
    pg.INT8RANGE: BigInteger,
    pg.NUMRANGE: Numeric,
    pg.DATERANGE: Date,
    pg.TSRANGE: DateTime,
    pg.TSTZRANGE: lambda: DateTime(timezone=True),
}
RANGES = tuple(_ENDS)


def find_end(kind: Any) -> TypeEngine[Any] | None:
    """The type of the ends of a range; None for a type that is no range."""
    return next((make() for each, make in _ENDS.items() if isinstance(kind, each)), None)
