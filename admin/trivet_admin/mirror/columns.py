"""One column, one Django field: its options, its default, and who fills it."""

from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.utils.text import capfirst
from sqlalchemy import BigInteger, Column, MetaData, SmallInteger, Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Mapper
from sqlalchemy.types import NullType

from trivet.errors import ConfigurationError
from trivet.models.filled_columns import is_filled
from trivet.models.row_keys import key_text
from trivet.models.types import DatabaseType
from trivet_admin.generic import AnyField
from trivet_admin.mirror.defaults import default_of, wants_context
from trivet_admin.mirror.fields import Options, field_of


class VersionField:
    """The version of a row, mixed into the field of its column's type: in a form it is hidden, and
    says what was edited."""

    verbose_name: Any

    def formfield(self, **_options: Any) -> Any:
        label = capfirst(str(self.verbose_name))
        return VersionFormField(required=False, strip=False, label=label)

    def save_form_data(self, instance: Any, data: Any) -> None:
        """Leave the row's own: a form says what it was made from, and sets nothing."""


class VersionFormField(forms.CharField):
    """Carries the text of the version that the form was made from (`key_text`); a newer one is no
    change of the user's."""

    widget = forms.HiddenInput

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else key_text([value])

    def has_changed(self, _initial: Any, _data: Any) -> bool:
        return False


@cache
def _versioned(kind: type[Any]) -> type[Any]:
    return type(f"Version{kind.__name__}", (VersionField, kind), {})


_AUTO = {BigInteger: models.BigAutoField, SmallInteger: models.SmallAutoField}


def make_field(
    column: "Column[Any]", *, annotation: Any = None, is_version: bool = False
) -> AnyField:
    """The Django field of a column that refers to no other table.

    Args:
        column: A column of a mapped class.
        annotation: What the mapped class says that its values are, if it does.
        is_version: Whether it counts the changes of its row.

    Raises:
        ConfigurationError: With table, column and cure, for a type that the database of this
            process does not have.
    """
    options = options_of(column)
    if is_version:
        options |= {"default": None, "blank": True}  # SQLAlchemy makes it up
    try:
        field = field_of(_known(column.type), options, annotation, _zone_of(column))
    except SQLAlchemyError as error:
        vendor = connections[DEFAULT_DB_ALIAS].vendor
        raise unsupported(
            column,
            f"has the type {column.type!r}, which this database ({vendor}) does not have",
            f"give it another one here, .with_variant(…, {vendor!r})",
        ) from error
    if is_version:
        kind: Any = type(field)
        field.__class__ = _versioned(kind)
        field.editable = True  # also where its type is only shown: a form has to carry it
        return field
    if is_generated_key(column) and is_whole_key(column) and isinstance(field, models.IntegerField):
        auto = next((a for t, a in _AUTO.items() if isinstance(column.type, t)), models.AutoField)
        return auto(**{**options, "blank": True})
    return field


def _zone_of(column: "Column[Any]") -> str:
    zone: Any = column.info.get("zone", "UTC")
    try:
        return ZoneInfo(zone).key
    except (ValueError, LookupError, OSError, TypeError):  # whatever is no name, or of no zone
        raise unsupported(
            column,
            f"has the zone {zone!r}, which there is not",
            'name one of the IANA database, info={"zone": "Europe/Berlin"}',
        ) from None


def options_of(column: "Column[Any]") -> Options:
    """The arguments of every field: column, key, uniqueness, null, default, and labels."""
    default = default_of(column)
    is_ours = not (is_computed(column) or is_changing(column) or is_made_up_key(column))
    # SQLite lets a key be NULL, and says so of one that SQLAlchemy reflects.
    is_nullable = bool(column.nullable) and not column.primary_key
    options: Options = {
        "db_column": column.name,
        "null": is_nullable,
        "blank": is_nullable or is_defaulted(column) or default in ("", {}, []),
        "help_text": column.info.get("help", column.comment or column.doc or ""),
        "editable": bool(column.info.get("editable", is_ours)),
    }
    if is_whole_key(column):
        options["primary_key"] = True
    elif is_unique(column):
        options["unique"] = True
    if default is not None or (is_defaulted(column) and not column.primary_key):
        options["default"] = default  # None: not Django's empty string, which would be written
    if label := column.info.get("label"):
        options["verbose_name"] = label
    return options


def is_whole_key(column: "Column[Any]") -> bool:
    """Whether the column alone is the primary key of its table."""
    return column.primary_key and len(column.table.primary_key.columns) == 1


UNTYPED = DatabaseType("text")
"""The type of what SQLAlchemy knows none of: most functions, and a reflected column whose type is
the database's own."""


def _known(kind: Any) -> Any:
    return UNTYPED if isinstance(kind, NullType) else kind


def read_column(mapper: Mapper[Any], column: Any) -> "Column[Any]":
    """What is known of a column of a class whose rows are only read. That of a query or a view has
    no more than a name and a type."""
    is_key = column in mapper.primary_key
    described: Column[Any] = Column(
        column.name,
        _known(column.type),
        primary_key=is_key,
        nullable=not is_key,
        autoincrement=False,
        info=getattr(column, "info", {}),
        comment=getattr(column, "comment", None),
    )
    Table(str(mapper.local_table.description), MetaData(), described)
    return described


def is_generated_key(column: "Column[Any]") -> bool:
    """Whether the database numbers the rows by this column."""
    return column.table.autoincrement_column is column


def is_made_up_key(column: "Column[Any]") -> bool:
    """Whether a default makes up the key of a row, such as a UUID: nobody types one. As a part of a
    key a number or a text with a default is typed like any other."""
    if not column.primary_key:
        return False
    is_made = column.default is not None or column.server_default is not None
    return is_made and (is_whole_key(column) or _is_made_anew(column))


def _is_made_anew(column: "Column[Any]") -> bool:
    """Whether the default of a column is another value for each row."""
    default: Any = column.default
    return default is None or not default.is_scalar


def is_computed(column: "Column[Any]") -> bool:
    """Whether the database computes the value, so that nobody may write it."""
    return column.computed is not None


def is_defaulted(column: "Column[Any]") -> bool:
    """Whether a value that nobody gave is made up by the database, by an SQL expression, by a
    function of SQLAlchemy's that looks at the other values of the row, or by the flush."""
    default: Any = column.default
    made = default is not None and (default.is_clause_element or wants_context(default))
    known = made or column.server_default is not None or is_generated_key(column)
    return known or is_filled(column)


def is_unique(column: "Column[Any]") -> bool:
    """Whether the column alone is unique, by a constraint or an index of whatever spelling. An
    index over some of the rows leaves the others free."""
    table: Any = column.table
    full = (index for index in table.indexes if index.unique and not _is_partial(index))
    constraints = [*table.constraints, *full]
    return any(
        list(each.columns) == [column]
        for each in constraints
        if each.__visit_name__ in ("unique_constraint", "index")
    )


def _is_partial(index: Any) -> bool:
    """Whether an index has a condition on the database of this process."""
    options = index.dialect_options[connections[DEFAULT_DB_ALIAS].vendor]
    return options.get("where") is not None


def is_changing(column: "Column[Any]") -> bool:
    """Whether every update of the row changes the value."""
    return column.onupdate is not None or column.server_onupdate is not None


def unsupported(column: "Column[Any]", fault: str, cure: str) -> ConfigurationError:
    """The error for a column that cannot be mirrored."""
    return ConfigurationError(
        "unsupported-column",
        f"The admin cannot show {column.table.name}: its column {column.name} {fault}. "
        f"Cure: {cure}.",
    )
