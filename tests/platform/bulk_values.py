"""Values of every type of column, for rows that are written in bulk."""

import datetime as dt
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import BigInteger, DateTime, Integer, Numeric, Text, TypeDecorator
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model, Versioned
from trivet.models.types import BigKey

HONOLULU = ZoneInfo("Pacific/Honolulu")


class InUtc(TypeDecorator[dt.datetime]):
    """An instant in a column without a zone, for which the driver is trusted to convert it."""

    impl = DateTime
    cache_ok = True

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return value and value.replace(tzinfo=dt.UTC)


class Hundredths(TypeDecorator[Decimal]):
    """Money as a whole number of the smallest coin."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value * 100

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else Decimal(value) / 100


class Halves(TypeDecorator[float]):
    """A float that is kept as a whole number of halves."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value * 2.0

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value / 2.0


class Words(TypeDecorator[list[str]]):
    """A list in a text: a change inside it is seen by nobody."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else " ".join(value)

    def process_result_value(self, value: Any, _dialect: Any) -> Any:
        return None if value is None else value.split()


class Load(Versioned, Model):
    """A row of columns that the driver, and not its type, converts."""

    __tablename__ = "test_bulk_load"

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    at: Mapped[dt.datetime | None] = mapped_column(InUtc)
    price: Mapped[Decimal | None] = mapped_column(Hundredths)
    halves: Mapped[float | None] = mapped_column(Halves)
    share: Mapped[float | None] = mapped_column(Numeric(asdecimal=False))
    words: Mapped[list[str] | None] = mapped_column(Words)


VALUES: dict[str, Any] = {
    "at": dt.datetime(2026, 11, 26, 23, 30, tzinfo=HONOLULU),
    "price": Decimal("12.50"),
    "halves": 3.5,
    "share": 0.1 + 0.2,
}
