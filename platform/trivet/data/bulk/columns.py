"""The columns of many rows: the parameters of a statement, turned from rows into arrays.

Every value travels as text, and PostgreSQL reads it as the type to which the statement casts it,
as it does with the text in a dump. The driver sends a value by its class, and PostgreSQL converts
it to the column's type: 2.0 to a whole number, and an instant of any zone to the clock of a column
without one. The text of such a value would be refused there, or mean something else. So a value
travels as text only where both ways end in the same.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Date, DateTime, Float, Integer, Numeric, Time, TypeDecorator, Uuid
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from trivet.array_text import texts

PARAMETER = re.compile(r"%\((\w+)\)s")
"""A parameter in the text of a statement, as psycopg takes it."""

_PLAIN: Sequence[tuple[type[TypeEngine[Any]], frozenset[type[Any]]]] = (
    (Boolean, frozenset({bool})),
    (Integer, frozenset({int})),
    (Float, frozenset({float, int, Decimal})),
    # Not a float, of which PostgreSQL keeps 15 digits there.
    (Numeric, frozenset({int, Decimal})),
    (DateTime, frozenset({dt.datetime})),
    (Date, frozenset({dt.date})),
    (Time, frozenset({dt.time})),
    (Uuid, frozenset({UUID})),
)
"""The classes whose text is read as the same value by a column of a type; the first that fits. A
text is that everywhere."""


def arrays_of(
    names: Sequence[str], rows: Sequence[Mapping[str, Any]], compiled: Any
) -> dict[str, str] | None:
    """An array for each of `names`, with the values that `rows` have for it, which `compiled` names
    as its parameters; None if one of these values has no text that its column reads as the same,
    or a text that cannot be stored."""
    arrays: dict[str, str] = {}
    for name in names:
        array = array_of([row[name] for row in rows], compiled.binds[name].type, compiled.dialect)
        if array is None:
            return None
        arrays[name] = array
    return arrays


def array_of(values: list[Any], kind: TypeEngine[Any], dialect: Dialect) -> str | None:
    """The array of `values`, as the driver would get them, for a column of the type `kind`; None if
    one has no text that the column reads as the same, or a text that cannot be stored."""
    written = _written(values, kind, dialect)
    try:
        return None if written is None else texts(written)
    except ValueError:
        return None


def _written(
    values: list[Any], kind: TypeEngine[Any], dialect: Dialect
) -> Sequence[str | None] | None:
    """The texts of `values` for a column of the type `kind`."""
    present = set(map(type, values))
    classes = present - _TEXT_OR_NONE
    if not classes:
        return values
    column = _stored_as(kind, dialect)
    plain = next((each for found, each in _PLAIN if isinstance(column, found)), frozenset())
    if not classes <= plain:
        return None
    if isinstance(column, DateTime | Time) and not column.timezone and any(map(_has_zone, values)):
        return None
    if type(None) in present:
        return [each if each is None else str(each) for each in values]
    return list(map(str, values))


_TEXT_OR_NONE = frozenset({str, type(None)})


def _has_zone(value: Any) -> bool:
    return getattr(value, "tzinfo", None) is not None


def _stored_as(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    """The type that `kind` is in the database, under all decorators."""
    found = kind.dialect_impl(dialect)
    return _stored_as(found.impl_instance, dialect) if isinstance(found, TypeDecorator) else found


def unnested(names: Sequence[str]) -> str:
    """The call that makes rows of the arrays again."""
    return f"unnest({', '.join(f'%({name})s::text[]' for name in names)})"


def cast_to_column(text: str, places: Mapping[str, str], compiled: Any) -> str:
    """`text` with `places` for its parameters, each with the cast to its type that it may lack."""

    def cast(found: re.Match[str]) -> str:
        name = found[1]
        if text.startswith("::", found.end()):
            return places[name]
        kind = compiled.binds[name].type.dialect_impl(compiled.dialect)
        return f"{places[name]}::{compiled.dialect.type_compiler_instance.process(kind)}"

    return PARAMETER.sub(cast, text)


def numbered(names: Sequence[str]) -> str:
    """Names for the columns of these rows, which clash with nothing."""
    return ", ".join(f"p{number}" for number in range(len(names)))
