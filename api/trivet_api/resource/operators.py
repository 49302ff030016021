"""The operators of filters: which of them a column has, and what each says in SQL."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, String, bindparam, or_
from sqlalchemy.types import Enum, TypeDecorator

from trivet_api.resource import text_values
from trivet_api.resource.faults import TextFault
from trivet_api.resource.fields import Field

Condition = ColumnElement[bool]
_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    Attributes:
        name: The word behind the dot.
        words: What it asks, for people.
        takes_many: Whether several values may be given, of which one has to fit.
        compare: The condition, from the column and the parameters.
    """

    name: str
    words: str
    takes_many: bool
    compare: Callable[[Any, Sequence[BindParameter[Any]]], Condition]

    def bind(self, field: Field, name: str) -> BindParameter[Any]:
        """The parameter called `name` for a value."""
        kind: Any = String() if self in _PATTERNS else field.attribute.type
        return bindparam(name, type_=kind)

    def reader(self, field: Field) -> text_values.Reader:
        """The function that reads a text as the value of the parameter."""
        if self is NULL:
            return text_values.read_flag
        if self is CONTAINS:
            return lambda text: f"%{_pattern(text)}%"
        if self is STARTSWITH:
            return lambda text: f"{_pattern(text)}%"
        return text_values.reader_of(field)


def _pattern(text: str) -> str:
    if not text:
        raise TextFault("write what to look for")
    text = text_values.read_text(text)
    for sign in (_ESCAPE, "%", "_"):
        text = text.replace(sign, _ESCAPE + sign)
    return text


def _is(column: Any, values: Sequence[BindParameter[Any]]) -> Condition:
    found: Condition = column == values[0] if len(values) == 1 else column.in_(values)
    return found


def _is_not(column: Any, values: Sequence[BindParameter[Any]]) -> Condition:
    # A row without a value has another one too.
    differs = column != values[0] if len(values) == 1 else column.not_in(values)
    return or_(differs, column.is_(None))


def _is_null(column: Any, _values: Sequence[BindParameter[Any]]) -> Condition:
    found: Condition = column.is_(None)
    return found


def _like(column: Any, values: Sequence[BindParameter[Any]]) -> Condition:
    found: Condition = column.ilike(values[0], escape=_ESCAPE)
    return found


EQUAL = Operator("eq", "equals it, or one of several", True, _is)
NOT_EQUAL = Operator("ne", "is another, or null; none of several", True, _is_not)
NULL = Operator("null", "has no value, or has one", False, _is_null)
CONTAINS = Operator("contains", "has this text in it, in upper or lower case", False, _like)
STARTSWITH = Operator("startswith", "begins with this text, in upper or lower case", False, _like)
_COMPARISONS = (
    Operator("gt", "is greater", False, lambda column, values: column > values[0]),
    Operator("gte", "is greater or equal", False, lambda column, values: column >= values[0]),
    Operator("lt", "is less", False, lambda column, values: column < values[0]),
    Operator("lte", "is less or equal", False, lambda column, values: column <= values[0]),
)
_PATTERNS = (CONTAINS, STARTSWITH)


def operators_of(field: Field) -> Iterator[Operator]:
    """The operators that a field has, by its type."""
    kind = text_values.base_type(field.annotation)
    if issubclass(kind, text_values.COMPARED):
        yield EQUAL
        yield NOT_EQUAL
    if issubclass(kind, text_values.ORDERED) and kind is not bool and not _is_choice(field):
        yield from _COMPARISONS
    if is_text(field):
        yield from _PATTERNS
    if field.nullable:
        yield NULL


def is_text(field: Field) -> bool:
    """Whether its column holds plain text, in which one can look for words."""
    kind: Any = field.attribute.type
    is_plain = isinstance(kind, String) and not isinstance(kind, Enum | TypeDecorator)
    return is_plain and issubclass(text_values.base_type(field.annotation), str)


def _is_choice(field: Field) -> bool:
    return isinstance(field.attribute.type, Enum)
