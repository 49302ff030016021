"""The reason why a column cannot hold a value, found after the database has refused it.

PostgreSQL says that a value is too long or out of range, and names the type, but not the column.
The column's type tells the same.
"""

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    Numeric,
    SmallInteger,
    String,
    TypeDecorator,
)


def why_unfit(column: "Column[Any]", value: Any) -> str | None:
    """The reason why `value` does not fit `column`, in a sentence; None if no reason is found."""
    kind: Any = column.type
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if isinstance(value, str):
        return _why_text(kind, value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if isinstance(kind, Integer):
        return _why_whole(kind, int(value))
    return _why_decimal(kind, value)


def _why_text(kind: Any, value: str) -> str | None:
    if "\x00" in value:
        return "it holds a NUL character, which cannot be stored"
    length = kind.length if isinstance(kind, String) else None
    if length is not None and len(value) > length:
        return f"it has {len(value):,} characters, and at most {length:,} fit"
    return None


def _why_whole(kind: Integer, value: int) -> str | None:
    bits = 63 if isinstance(kind, BigInteger) else 15 if isinstance(kind, SmallInteger) else 31
    if -(2**bits) <= value < 2**bits:
        return None
    return f"it must lie between {-(2**bits):,} and {2**bits - 1:,}"


def _why_decimal(kind: Any, value: float | Decimal) -> str | None:
    if not isinstance(kind, Numeric) or isinstance(kind, Float) or kind.precision is None:
        return None
    digits = kind.precision - (kind.scale or 0)
    if abs(Decimal(str(value))).quantize(Decimal(1).scaleb(-(kind.scale or 0))) < 10**digits:
        return None
    return f"at most {digits} digits fit before the decimal point"
