"""A class with a column of each kind of type, and the values that clients may send for them."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel
from sqlalchemy import (
    ARRAY,
    BINARY,
    CHAR,
    JSON,
    BigInteger,
    Date,
    DateTime,
    Dialect,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import (
    CIDR,
    DATERANGE,
    INET,
    INT4RANGE,
    JSONB,
    MACADDR,
    TSVECTOR,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.api.resource.library import Base


class Colour(enum.Enum):
    RED = "the red one"
    BLUE = "the blue one"


class Cents(TypeDecorator[Decimal]):
    """A decimal that is stored as whole cents."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return None if value is None else int(value.scaleb(2))

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value).scaleb(-2)


class Hashed(TypeDecorator[str]):
    """What is typed is not what comes back."""

    impl = String(40)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else f"hash of {value}"


class Point(BaseModel):
    x: int
    y: int


class PointType(TypeDecorator[Point]):
    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: Point | None, dialect: Dialect) -> Any:
        return None if value is None else value.model_dump()

    def process_result_value(self, value: Any, dialect: Dialect) -> Point | None:
        return None if value is None else Point.model_validate(value)


class Gadget(Base):
    __tablename__ = "resource_gadget"
    id: Mapped[int] = mapped_column(primary_key=True)
    small: Mapped[int] = mapped_column(SmallInteger)
    whole: Mapped[int]
    big: Mapped[int] = mapped_column(BigInteger)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    fine: Mapped[Decimal] = mapped_column(Numeric(12, 9))
    rate: Mapped[float] = mapped_column(Numeric(8, 3, asdecimal=False))
    ratio: Mapped[float] = mapped_column(Float)
    line: Mapped[str] = mapped_column(String(10))
    lines: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(CHAR(3))
    flag: Mapped[bool]
    day: Mapped[dt.date]
    instant: Mapped[dt.datetime]
    stock_instant: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    wall_time: Mapped[dt.datetime] = mapped_column(DateTime)
    berlin_time: Mapped[dt.datetime] = mapped_column(DateTime, info={"zone": "Europe/Berlin"})
    clock: Mapped[dt.time]
    span: Mapped[dt.timedelta]
    stock_span: Mapped[dt.timedelta] = mapped_column(Interval)
    uuid: Mapped[UUID]
    uuid_text: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    colour: Mapped[Colour]
    colour_name: Mapped[Colour] = mapped_column(Enum(Colour, native_enum=False))
    state: Mapped[str] = mapped_column(Enum("open", "closed", native_enum=False))
    document: Mapped[dict[str, Any]]
    items: Mapped[list[Any]]
    stock_json: Mapped[Any] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    four: Mapped[bytes] = mapped_column(BINARY(4).with_variant(LargeBinary, "postgresql"))
    cents: Mapped[Decimal] = mapped_column(Cents)
    point: Mapped[Point] = mapped_column(PointType)
    maybe: Mapped[int | None]
    password: Mapped[str | None] = mapped_column(Hashed)
    pickled: Mapped[Any | None] = mapped_column(PickleType)
    secret: Mapped[str] = mapped_column(default="s", info={"secret": True})


class PostgresBase(DeclarativeBase):
    metadata = MetaData()


class Engine(PostgresBase):
    """What PostgreSQL has alone."""

    __tablename__ = "resource_engine"
    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    days: Mapped[list[dt.date]] = mapped_column(ARRAY(Date))
    grid: Mapped[list[list[int]]] = mapped_column(ARRAY(Integer, dimensions=2))
    span: Mapped[Any] = mapped_column(INT4RANGE)
    season: Mapped[Any] = mapped_column(DATERANGE)
    address: Mapped[Any] = mapped_column(INET)
    network: Mapped[Any] = mapped_column(CIDR)
    port: Mapped[str] = mapped_column(MACADDR)
    words: Mapped[Any | None] = mapped_column(TSVECTOR)


def _bits(count: int) -> Any:
    return st.integers(-(2 ** (count - 1)), 2 ** (count - 1) - 1)


def _decimal(digits: int, places: int) -> Any:
    high = 10**digits - 1
    return st.integers(-high, high).map(lambda n: str(Decimal(n).scaleb(-places)))


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\x00")
_TIMES = st.datetimes(dt.datetime(2, 1, 1), dt.datetime(9998, 12, 31))  # noqa: DTZ001  # the clock of a wall
_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(CHARACTERS, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(CHARACTERS), inner, max_size=3)
    ),
    max_leaves=5,
)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda each: each + 0.0)

SENT: dict[str, Any] = {
    "small": _bits(16),
    "whole": _bits(32),
    "big": _bits(64),
    "price": _decimal(8, 2),
    "fine": _decimal(12, 9).map(lambda each: format(Decimal(each), "f")),
    "rate": st.integers(-(10**7), 10**7).map(lambda n: n / 1000),
    "ratio": _FLOATS,
    "line": st.text(CHARACTERS, max_size=10),
    "lines": st.text(CHARACTERS),
    "code": st.text("ABC", min_size=3, max_size=3),
    "flag": st.booleans(),
    "day": st.dates().map(str),
    "instant": _TIMES.map(lambda each: f"{each.isoformat()}+05:30"),
    "stock_instant": _TIMES.map(lambda each: f"{each.isoformat()}Z"),
    "wall_time": _TIMES.map(dt.datetime.isoformat),
    "berlin_time": _TIMES.map(lambda each: f"{each.isoformat()}Z"),
    "clock": st.times().map(str),
    "span": st.integers(0, 10**12).map(lambda n: f"{'-' * (n % 2)}P{n // 86400}DT{n % 86400}.25S"),
    "stock_span": st.integers(0, 10**9).map(lambda n: f"PT{n}.5S"),
    "uuid": st.uuids().map(str),
    "uuid_text": st.uuids().map(lambda each: str(each).upper()),
    "colour": st.sampled_from(["the red one", "the blue one"]),
    "colour_name": st.sampled_from(["RED", "BLUE"]),
    "state": st.sampled_from(["open", "closed"]),
    "document": st.dictionaries(st.text(CHARACTERS), _JSON, max_size=3),
    "items": st.lists(_JSON, max_size=3),
    "stock_json": _JSON.filter(lambda each: each is not None),
    "raw": st.sampled_from(["", "AA==", "/+8="]),
    "four": st.sampled_from(["AAAAAA==", "/////w=="]),
    "cents": _decimal(7, 2),
    "point": st.fixed_dictionaries({"x": _bits(16), "y": _bits(16)}),
    "maybe": st.none() | _bits(32),
}
"""What a client sends, by the attributes of `Gadget`."""

_RANGE = st.tuples(_bits(16), _bits(16)).map(sorted)
SENT_TO_POSTGRES: dict[str, Any] = {
    "numbers": st.lists(_bits(32), max_size=4),
    "days": st.lists(st.dates(dt.date(1000, 1, 1)).map(str), max_size=3),
    "grid": st.sampled_from([[], [[1, 2], [3, 4]], [[7]]]),
    "span": _RANGE.map(lambda ends: {"lower": ends[0], "upper": ends[1], "bounds": "[]"})
    | st.sampled_from([{"empty": True}, {"upper": 7}, {}]),
    "season": st.sampled_from([{"lower": "2026-01-01", "upper": "2026-02-01"}, {"empty": True}]),
    "address": st.sampled_from(["10.0.0.7", "10.0.0.7/24", "::1"]),
    "network": st.sampled_from(["10.0.0.0/24", "::/8"]),
    "port": st.sampled_from(["08-00-2b-01-02-03", "08:00:2B:01:02:03"]),
}
"""The same of `Engine`."""
