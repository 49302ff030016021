"""One column, one Django field: the types that both ORMs store alike, and no others."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.db import models
from django.utils.text import capfirst
from sqlalchemy import (
    JSON,
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
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)

from trivet.errors import ConfigurationError
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime
from trivet_admin.generic import AnyField, IntegerField
from trivet_admin.mirror.documents import DocumentField
from trivet_admin.mirror.enums import EnumField

Options = dict[str, Any]
Maker = Callable[["Column[Any]", Options], AnyField]


class VersionField(IntegerField):
    """The version counter of a row: in a form it is hidden, and says what was edited."""

    def formfield(self, **_options: Any) -> Any:
        return VersionFormField(required=False, label=capfirst(str(self.verbose_name)))


class VersionFormField(forms.IntegerField):
    """Carries the version that the form was made from; a newer one is no change of the user's."""

    widget = forms.HiddenInput

    def has_changed(self, _initial: Any, _data: Any) -> bool:
        return False


def _text(column: "Column[Any]", options: Options) -> AnyField:
    return models.CharField(max_length=column.type.length, **options)  # type: ignore[attr-defined]  # a String


def _enum(column: "Column[Any]", options: Options) -> AnyField:
    kind: Any = column.type
    if kind.enum_class is None:
        choices = [(value, value) for value in kind.enums]
        return models.CharField(max_length=kind.length, choices=choices, **options)
    if list(kind.enums) != [member.value for member in kind.enum_class]:
        raise unsupported(
            column,
            "stores the names of an enum, and Django's choices store values",
            "write Mapped[…] without a type, which stores the values as text, or give the "
            "Enum values_callable=lambda e: [m.value for m in e] and native_enum=False",
        )
    longest = max(len(value) for value in kind.enums)
    return EnumField(members=kind.enum_class, max_length=kind.length or longest, **options)


def _decimal(column: "Column[Any]", options: Options) -> AnyField:
    kind: Any = column.type
    if kind.precision is None or kind.scale is None:
        raise unsupported(column, "is a Numeric without a size", "write Numeric(precision, scale)")
    return models.DecimalField(max_digits=kind.precision, decimal_places=kind.scale, **options)


def _bytes(column: "Column[Any]", options: Options) -> AnyField:
    # A text input would turn bytes into their repr.
    return models.BinaryField(**{**options, "editable": bool(column.info.get("editable", False))})


def _field(kind: Callable[..., Any]) -> Maker:
    return lambda _column, options: kind(**options)


def _refuse(use: str) -> Maker:
    def refuse(column: "Column[Any]", _options: Options) -> AnyField:
        raise unsupported(column, "is stored differently by Django", f"use {use}")

    return refuse


MAKERS: dict[type[Any], Maker] = {
    UtcDateTime: _field(models.DateTimeField),
    IsoTime: _field(models.TimeField),
    Microseconds: _field(models.DurationField),
    JsonDocument: _field(DocumentField),
    Enum: _enum,
    Text: _field(models.TextField),
    String: _text,
    BigInteger: _field(models.BigIntegerField),
    SmallInteger: _field(models.SmallIntegerField),
    Integer: _field(models.IntegerField),
    Float: _field(models.FloatField),
    Numeric: _decimal,
    Boolean: _field(models.BooleanField),
    Date: _field(models.DateField),
    LargeBinary: _bytes,
    Uuid: _field(models.UUIDField),
    DateTime: _refuse("trivet.models.types.UtcDateTime"),
    Time: _refuse("trivet.models.types.IsoTime"),
    Interval: _refuse("trivet.models.types.Microseconds"),
    JSON: _refuse("trivet.models.types.JsonDocument"),
}
"""Asked with the type's class and its bases, the nearest first."""

_AUTO = {BigInteger: models.BigAutoField, SmallInteger: models.SmallAutoField}


def make_field(column: "Column[Any]", *, is_version: bool = False) -> AnyField:
    """The Django field of a column that refers to no other table.

    Raises ConfigurationError, naming table, column and cure, for a type that Django would
    store differently or does not know.
    """
    options = options_of(column)
    if is_version:
        return VersionField(**{**options, "default": 1, "blank": True})
    if is_generated_key(column):
        auto = next((a for t, a in _AUTO.items() if isinstance(column.type, t)), models.AutoField)
        return auto(**{**options, "blank": True})
    for kind in type(column.type).__mro__:
        if maker := MAKERS.get(kind):
            return maker(column, options)
    raise unsupported(
        column,
        f"has the type {column.type!r}, which Django's admin does not know",
        "use one of the types of trivet.models.types or SQLAlchemy's plain ones",
    )


def options_of(column: "Column[Any]") -> Options:
    """The arguments of every field: column, key, uniqueness, null, default, and labels."""
    default = _default(column)
    is_ours = not (is_computed(column) or is_changing(column))
    options: Options = {
        "db_column": column.name,
        "null": bool(column.nullable),
        "blank": bool(column.nullable) or is_defaulted(column) or default in ("", {}, []),
        "help_text": column.info.get("help", column.comment or column.doc or ""),
        "editable": bool(column.info.get("editable", is_ours)),
    }
    if column.primary_key:
        options["primary_key"] = True
    elif is_unique(column):
        options["unique"] = True
    if default is not None or (is_defaulted(column) and not column.primary_key):
        options["default"] = default  # None: not Django's empty string, which would be written
    if label := column.info.get("label"):
        options["verbose_name"] = label
    return options


def is_generated_key(column: "Column[Any]") -> bool:
    """Whether the database numbers the rows by this column."""
    return column.table.autoincrement_column is column


def is_computed(column: "Column[Any]") -> bool:
    """Whether the database computes the value, so that nobody may write it."""
    return column.computed is not None


def is_defaulted(column: "Column[Any]") -> bool:
    """Whether a value that nobody gave is made up by the database or by an SQL expression."""
    in_sql = column.default is not None and column.default.is_clause_element
    return in_sql or column.server_default is not None or is_generated_key(column)


def is_unique(column: "Column[Any]") -> bool:
    """Whether the column alone is unique, by a constraint or an index of whatever spelling."""
    table: Any = column.table
    constraints = [*table.constraints, *(index for index in table.indexes if index.unique)]
    return bool(column.unique) or any(
        list(each.columns) == [column]
        for each in constraints
        if each.__visit_name__ in ("unique_constraint", "index")
    )


def is_changing(column: "Column[Any]") -> bool:
    """Whether every update of the row changes the value."""
    return column.onupdate is not None or column.server_onupdate is not None


def _default(column: "Column[Any]") -> Any:
    default: Any = column.default
    if default is None or default.is_clause_element or default.is_sequence:
        return None
    if default.is_callable:
        return _Callable(default.arg)
    return _Constant(default.arg) if isinstance(default.arg, dict | list) else default.arg


class _Constant:
    """A default that every instance must have its own copy of."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return bool(self._value == other)

    __hash__ = None  # type: ignore[assignment]  # as its value

    def __call__(self) -> Any:
        return self._value.copy()


class _Callable:
    """A Python default of SQLAlchemy's, called as Django calls one: without a context."""

    def __init__(self, default: Callable[[Any], Any]) -> None:
        self._default = default

    def __call__(self) -> Any:
        return self._default(None)


def unsupported(column: "Column[Any]", fault: str, cure: str) -> ConfigurationError:
    """The error for a column that cannot be mirrored."""
    return ConfigurationError(
        "unsupported-column",
        f"The admin cannot show {column.table.name}: its column {column.name} {fault}. "
        f"Cure: {cure}.",
    )
