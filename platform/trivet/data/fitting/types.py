"""Which fit a column's type has."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BINARY,
    JSON,
    VARBINARY,
    BigInteger,
    Boolean,
    Column,
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
    TypeDecorator,
    Uuid,
)
from sqlalchemy.dialects.postgresql import (
    CIDR,
    DATERANGE,
    HSTORE,
    INET,
    INT4RANGE,
    INT8RANGE,
    MACADDR,
    MACADDR8,
    NUMRANGE,
    TSRANGE,
    TSTZRANGE,
)
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange
from sqlalchemy.engine import Dialect
from sqlalchemy.types import ARRAY, TypeEngine

from trivet.data.fitting import documents, numbers, postgresql, texts, times
from trivet.data.fitting.fit import Fit, UnfitError, is_expression
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime

Maker = Callable[[Any, Dialect], Fit | None]


def fit_of(kind: TypeEngine[Any], dialect: Dialect) -> Fit | None:
    """The fit of a column's type on a database; None for a type about which nothing is known.

    The bounds are those of the type as it was declared. A variant for one kind of database
    (``BigInteger().with_variant(Integer(), "sqlite")``) changes how a value is kept there, and not
    which values a feature can count on. Only a variant that has values of another kind (a UUID
    where the others have its text) has its own bounds.
    """
    known = _known(kind)
    if known is None:
        return None
    if not isinstance(kind, TypeDecorator):
        variant = kind.dialect_impl(dialect)
        other = _known(variant)
        if known is ARRAY and other is JSON:
            return _both(MAKERS[known](kind, dialect), MAKERS[other](variant, dialect))
        if isinstance(variant, TypeDecorator) or other not in (None, known):
            return None if other is None else MAKERS[other](variant, dialect)
    return MAKERS[known](kind, dialect)


def _both(one: Fit | None, other: Fit | None) -> Fit | None:
    """What both say: an array that another database keeps as a document."""
    if one is None or other is None:
        return one or other
    return lambda value: other(one(value))


def fit_of_column(column: "Column[Any]", dialect: Dialect) -> Fit | None:
    """`fit_of` its type. A datetime without a zone shows the clock of UTC, or of the zone that the
    column names: ``info={"zone": "Europe/Berlin"}``."""
    fit = fit_of(column.type, dialect)
    zone = column.info.get("zone")
    return times.fit_wall_time_in(zone) if zone and fit is times.fit_wall_time else fit


def fit_as_declared(column: "Column[Any]") -> Fit | None:
    """The fit of a column on every database, for whoever judges a value before one is at hand. A
    type of a feature's own is asked with its database alone."""
    known = _known(column.type)
    fit = None if known in (None, TypeDecorator) else MAKERS[known](column.type, _STRICTEST)
    zone = column.info.get("zone")
    return times.fit_wall_time_in(zone) if zone and fit is times.fit_wall_time else fit


_STRICTEST: Any = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives it no types
"""SQLite's own bounds depend on how it keeps a value, and are told when it is written."""


def _known(kind: TypeEngine[Any]) -> type[Any] | None:
    found = (each for each in type(kind).__mro__ if each in MAKERS)
    return next((each for each in found if not _binds_otherwise(kind, each)), None)


def _binds_otherwise(kind: Any, known: Any) -> bool:
    """Whether `kind` makes something else of a value than the decorator that it is derived from."""
    if known not in OURS:
        return False
    names = ("process_bind_param", "process_result_value")
    return any(getattr(type(kind), name) is not getattr(known, name) for name in names)


def _always(fit: Fit) -> Maker:
    return lambda _kind, _dialect: fit


def _array(kind: Any, dialect: Dialect) -> Fit | None:
    inner = fit_of(kind.item_type, dialect)
    if inner is None:
        return None

    is_flat = kind.dimensions == 1
    holds_documents = isinstance(kind.item_type, JSON)

    def fit(value: Any) -> Any:
        if not _is_list(value):
            raise UnfitError("it must be a list")
        if not is_flat and len({len(each) if _is_list(each) else -1 for each in value}) > 1:
            raise UnfitError("the lists in it must be of one length")
        fitted = [each if each is None else fit_item(each) for each in value]
        is_same = all(one is other for one, other in zip(fitted, value, strict=True))
        return value if is_same else fitted

    def fit_item(item: Any) -> Any:
        if is_flat or not _is_list(item):
            return inner(item)
        if holds_documents:
            # SQLAlchemy would take it for another dimension, and its items for the documents.
            raise UnfitError("a list in an array of documents needs ARRAY(…, dimensions=1)")
        return fit(item)

    return fit


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _document(kind: Any, _dialect: Dialect) -> Fit | None:
    json: Any = getattr(kind, "impl_instance", kind)

    def fit(value: Any) -> Any:
        return value if value is JSON.NULL else documents.fit_document(value)

    return fit if isinstance(json, JSON) else None


def _decorated(kind: TypeDecorator[Any], dialect: Dialect) -> Fit | None:
    """A type of a feature's own. What it makes of a value has to fit its column, and what it makes
    of that again is read back."""
    is_own = type(kind).bind_processor is not TypeDecorator.bind_processor
    inner = None if is_own else fit_of(kind.load_dialect_impl(dialect), dialect)
    if inner is None:
        return None

    def fit(value: Any) -> Any:
        if is_expression(value):
            raise UnfitError("it must be a value")
        bound = _called(kind.process_bind_param, value, dialect)
        if bound is None:
            return value
        kept = inner(bound)
        # What cannot be read back must not be stored either.
        stored = _called(kind.process_result_value, kept, dialect)
        return value if kind.compare_values(stored, value) else stored

    return fit


def _called(function: Callable[[Any, Dialect], Any], value: Any, dialect: Dialect) -> Any:
    """What a function of a decorator makes of a value; its failures are refusals of the value."""
    try:
        return function(value, dialect)
    except NotImplementedError:
        return value
    except (ValueError, ArithmeticError, LookupError) as error:
        raise UnfitError(str(error) or "this value is not allowed") from error
    except (TypeError, AttributeError) as error:  # Python's words for a value of another type
        raise UnfitError("it is not of the type that this column holds") from error


MAKERS: dict[type[Any], Maker] = {
    UtcDateTime: _always(times.fit_instant),
    IsoTime: _always(times.fit_time),
    Microseconds: _always(times.fit_span),
    JsonDocument: _document,
    TypeDecorator: _decorated,
    Enum: lambda kind, _: texts.fit_choice(kind),
    String: lambda kind, _: texts.fit_text(kind),
    Integer: lambda kind, _: numbers.fit_whole(kind),
    Float: lambda kind, _: numbers.fit_float(kind),
    Numeric: lambda kind, dialect: numbers.fit_decimal(kind, dialect.name),
    Boolean: _always(texts.fit_flag),
    DateTime: lambda kind, _: times.INSTANTS[kind.timezone],
    Date: _always(times.fit_day),
    Time: lambda kind, _: None if kind.timezone else times.fit_time,
    Interval: _always(times.fit_span_from_epoch),
    LargeBinary: _always(texts.fit_bytes),
    BINARY: lambda kind, _: texts.fit_bytes_of(kind),
    VARBINARY: lambda kind, _: texts.fit_bytes_of(kind),
    Uuid: lambda kind, _: texts.fit_uuid(kind),
    JSON: _document,
    ARRAY: _array,
    INT4RANGE: _always(postgresql.fit_range(numbers.fit_whole(Integer()), 1)),
    INT8RANGE: _always(postgresql.fit_range(numbers.fit_whole(BigInteger()), 1)),
    NUMRANGE: _always(postgresql.fit_range(numbers.fit_decimal(Numeric(), "postgresql"))),
    DATERANGE: _always(postgresql.fit_range(times.fit_day, postgresql.DAY)),
    TSRANGE: _always(postgresql.fit_range(times.fit_wall_time)),
    TSTZRANGE: _always(postgresql.fit_range(times.fit_instant)),
    AbstractMultiRange: _always(postgresql.fit_ranges),
    INET: _always(postgresql.fit_inet),
    CIDR: _always(postgresql.fit_cidr),
    MACADDR: _always(postgresql.fit_mac(6)),
    MACADDR8: _always(postgresql.fit_mac(8)),
    HSTORE: _always(postgresql.fit_texts_by_name),
}
"""Asked with the type's class and its bases, the nearest first."""

OURS = (UtcDateTime, IsoTime, Microseconds, JsonDocument)
