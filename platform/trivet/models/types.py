"""Column types that store the same bytes as Django's fields.

Both ORMs read and write the same rows, so both must store a value in the same way: an equality
filter of one has to find what the other wrote. SQLAlchemy's stock types for these values differ
from Django's on SQLite, and some on PostgreSQL too. The annotation map of
`trivet.models.base.Model` puts these types in their place.
"""

import datetime as dt
import enum
from typing import Any

import msgspec
from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, String, Time
from sqlalchemy.dialects.postgresql import INTERVAL, JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

from trivet.errors import ConfigurationError

_MICROSECOND = dt.timedelta(microseconds=1)

BigKey = BigInteger().with_variant(Integer(), "sqlite")
"""The type of a 64-bit key that numbers itself: ``BIGINT`` on PostgreSQL, ``INTEGER`` on SQLite,
where only ``INTEGER PRIMARY KEY`` numbers itself and holds 64 bits too."""


def _is_sqlite(dialect: Dialect) -> bool:
    return dialect.name == "sqlite"


def in_utc(value: dt.datetime) -> dt.datetime:
    """An instant in UTC, in which every connection reads it.

    Raises ValueError, with a sentence for people, for a naive datetime and for an instant that
    has no year there.
    """
    if value.utcoffset() is None:
        raise ValueError(
            f"{value.isoformat(' ')} has no time zone; give an aware datetime, such as "
            "datetime.now(timezone.utc)"
        )
    try:
        return value.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("in UTC it is not in the years 1 to 9999") from None


class UtcDateTime(TypeDecorator[dt.datetime]):
    """An aware instant, kept and returned in UTC with microseconds.

    PostgreSQL: ``timestamp with time zone``. SQLite: the text of the naive UTC value, with
    a fraction only when there is one, as Django writes it. Raises ValueError for a naive
    datetime, which names no instant, and for one whose year in UTC is none of 1 to 9999.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if _is_sqlite(dialect):
            return dialect.type_descriptor(String(26))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        utc = in_utc(value)
        return str(utc.replace(tzinfo=None)) if _is_sqlite(dialect) else utc

    def process_result_value(self, value: Any, _dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if isinstance(value, str):
            return dt.datetime.fromisoformat(value).replace(tzinfo=dt.UTC)
        instant: dt.datetime = value
        return instant.astimezone(dt.UTC)


class IsoTime(TypeDecorator[dt.time]):
    """A time of day without a zone; on SQLite its ISO text, as Django writes it."""

    impl = Time
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if _is_sqlite(dialect):
            return dialect.type_descriptor(String(15))
        return dialect.type_descriptor(Time())

    def process_bind_param(self, value: dt.time | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is not None:
            raise ValueError(f"{value!r} has a time zone; a time of day has none")
        return str(value) if _is_sqlite(dialect) else value

    def process_result_value(self, value: Any, _dialect: Dialect) -> dt.time | None:
        return dt.time.fromisoformat(value) if isinstance(value, str) else value


class Microseconds(TypeDecorator[dt.timedelta]):
    """A span of time: ``interval`` on PostgreSQL, whole microseconds on SQLite (Django's
    DurationField)."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if _is_sqlite(dialect):
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(INTERVAL())

    def process_bind_param(self, value: dt.timedelta | None, dialect: Dialect) -> Any:
        if value is None or not _is_sqlite(dialect):
            return value
        return value // _MICROSECOND

    def process_result_value(self, value: Any, _dialect: Dialect) -> dt.timedelta | None:
        return dt.timedelta(microseconds=value) if isinstance(value, int) else value


class JsonDocument(TypeDecorator[Any]):
    """A JSON value: ``jsonb`` on PostgreSQL, text on SQLite; None is SQL NULL in both."""

    impl = JSON(none_as_null=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(JSON(none_as_null=True))

    def compare_values(self, x: Any, y: Any) -> bool:
        """Whether two are the same document: in Python 1, 1.0 and True are one value."""
        return json_form(x) == json_form(y)


def json_form(value: Any) -> bytes:
    """A document or an array in the form in which two of them are compared."""
    return msgspec.json.encode(value, enc_hook=repr)


def enum_values(members: type[enum.Enum]) -> list[str]:
    """The stored values of an enum's members, which must be texts.

    Raises ConfigurationError for an enum with other values.
    """
    values = [member.value for member in members]
    if not all(isinstance(value, str) for value in values):
        raise ConfigurationError(
            "enum-values",
            f"the values of {members.__name__} are no texts, and an enum is stored by its values. "
            f"Cure: class {members.__name__}(enum.StrEnum), or Mapped[int] for the numbers alone.",
        )
    return values


class DatabaseType(UserDefinedType[Any]):
    """A type that only the database knows, such as ``point`` or that of an extension.

    Its values are what the driver makes of them.

    Args:
        name: What the database calls it, with its size: ``DatabaseType("vector(3)")``.
    """

    cache_ok = True

    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_options: Any) -> str:
        return self.name
