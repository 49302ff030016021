"""Django's fields over what a column's SQLAlchemy type does.

Each is one of Django's own, for its form, its filters and how it is shown, and everything that
passes between Python and the database is SQLAlchemy's (`trivet_admin.mirror.storage`). In Python a
mirrored model has the very values of the mapped class.

Django chooses by the internal type of a field what it does to raw values by itself. These have
one that it does not know, so it does nothing.
"""

import datetime as dt
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.models import lookups
from django.db.models.expressions import Col
from django.utils import timezone
from sqlalchemy import Date, DateTime, Time
from sqlalchemy.types import TypeEngine

from trivet.data.fitting import UnfitError
from trivet_admin.generic import AnyField
from trivet_admin.mirror.storage import Storage, storage_of
from trivet_admin.mirror.unreadable import Unreadable
from trivet_admin.mirror.wall_times import wall_form

COMPARISONS = frozenset({"exact", "gt", "gte", "lt", "lte", "in", "range"})
"""The lookups that compare with values of the column. Others look into its text."""


class TypedField(AnyField):
    """Mixed into a field of Django's, before it. `kind` is the type of the column."""

    def __init__(self, *args: Any, kind: TypeEngine[Any], **options: Any) -> None:
        self.kind = kind
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "kind": self.kind}

    def storage(self, connection: Any = None) -> Storage:
        """What SQLAlchemy does on the database of `connection`; by default the only one."""
        return storage_of(self.kind, (connection or connections[DEFAULT_DB_ALIAS]).vendor)

    def get_internal_type(self) -> str:
        return "TypedField"

    def db_type(self, connection: Any) -> str:
        return self.storage(connection).column_type

    def get_db_converters(self, connection: Any) -> list[Any]:
        del connection
        return [self.from_db_value]

    def from_db_value(self, raw: Any, _expression: Any, connection: Any) -> Any:
        try:
            return self.storage(connection).read(raw)
        except Exception as error:  # noqa: BLE001  # a type's own code may raise whatever it likes
            return Unreadable.of(self, raw, error)

    def get_prep_value(self, value: Any) -> Any:
        """The value of the mapped attribute. Raises ValueError or ValidationError for one that the
        column cannot hold, so that a filter by it is refused before the database is asked."""
        if value is None or hasattr(value, "resolve_expression"):
            return value
        found = self.to_python(value)
        fit = self.storage().fit
        return found if fit is None or found is None else fit(found)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is None or hasattr(value, "as_sql"):
            return value
        return self.storage(connection).bind(value if prepared else self.get_prep_value(value))

    def parameter(self, connection: Any) -> str:
        """The SQL of a value, with ``%s`` for it."""
        return self.comparable(self.storage(connection).placeholder)

    def get_placeholder(self, value: Any, _compiler: Any, connection: Any) -> str:
        """Django 5's hook for the SQL of a value."""
        del value
        return self.parameter(connection)

    def get_placeholder_sql(self, value: Any, compiler: Any, connection: Any) -> Any:
        """Django 6's."""
        if hasattr(value, "as_sql"):
            sql, params = compiler.compile(value)
            return self.parameter(connection) % sql, params
        return self.parameter(connection), (value,)

    @property
    def text_type(self) -> str | None:
        """The type of text as which the database is asked for the column, if its own has no
        order."""
        return self.storage().text_type

    def comparable(self, sql: str) -> str:
        """The SQL of the column or of a parameter, in a form that the database can compare."""
        text = self.text_type
        return sql if text is None else f"({sql})::{text.replace('text', 'jsonb')}"

    def get_col(self, alias: Any, output_field: Any = None) -> Any:
        if self.text_type is not None:
            return TextCol(alias, self, output_field)
        return super().get_col(alias, output_field)

    @property
    def cached_col(self) -> Any:
        table = self.model._meta.db_table
        return Col(table, self) if self.text_type is None else TextCol(table, self)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        return self.storage(compiler.connection).select(sql), params

    def get_lookup(self, name: str) -> Any:
        if name in COMPARISONS:
            return _comparison(models.Field.get_class_lookups()[name])
        return super().get_lookup(name)

    def get_transform(self, name: str) -> Any:
        """Parts of a value, such as a year, if what the database holds has them."""
        is_temporal = self.has_days or isinstance(self.storage().native, Time)
        return super().get_transform(name) if is_temporal else None

    @property
    def has_days(self) -> bool:
        """Whether the values are days or datetimes for the database and for Django."""
        is_known = isinstance(self, models.DateField)  # a datetime of Django's is one too
        return is_known and isinstance(self.storage().native, DateTime | Date)

    def check(self, **options: Any) -> list[Any]:
        """Those that every field has. Django's own of sizes and defaults are about columns that
        its migrations would make."""
        return models.Field.check(self, **options)


class TextCol(Col):
    """A column as text, which can be compared and ordered where its own type cannot."""

    target: Any

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        sql, params = super().as_sql(compiler, connection)
        return f"({sql})::{self.target.text_type}", params


@cache
def _comparison(lookup: Any) -> Any:
    return type(lookup.__name__, (_Comparison, lookup), {})


class _Comparison:
    """Compares with parameters as SQLAlchemy writes them, with their type where it is needed."""

    lhs: Any
    bilateral_transforms: Any

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        _, params = super().get_db_prep_lookup(value, connection)  # type: ignore[misc]  # a lookup stands beside us
        return self._placeholder(connection), params

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> Any:
        sql, params = super().process_lhs(compiler, connection, lhs)  # type: ignore[misc]  # as above
        field = self.lhs.output_field
        return (field.comparable(sql) if isinstance(field, TypedField) else sql), params

    def batch_process_rhs(self, compiler: Any, connection: Any, rhs: Any = None) -> Any:
        sqls, params = super().batch_process_rhs(compiler, connection, rhs)  # type: ignore[misc]  # as above
        if not self.bilateral_transforms:
            placeholder = self._placeholder(connection)
            sqls = [placeholder if sql == "%s" else sql for sql in sqls]
        return sqls, params

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        # Django's `exact` leaves out the comparison with a flag, which need not be stored as one.
        if isinstance(self, lookups.Exact):
            return lookups.BuiltinLookup.as_sql(self, compiler, connection)
        return super().as_sql(compiler, connection)  # type: ignore[misc]  # as above

    def _placeholder(self, connection: Any) -> str:
        field = self.lhs.output_field
        return field.parameter(connection) if isinstance(field, TypedField) else "%s"


class TypedChar(TypedField, models.CharField):  # type: ignore[type-arg]  # not generic at run time
    """A line of text."""


class LinesField(models.TextField):  # type: ignore[type-arg]  # as above
    """Lines of text. Left empty in a form they are NULL, where that may be: Django has it so for a
    line, whose length is all that differs."""

    def formfield(self, **options: Any) -> Any:
        empty = {"empty_value": None} if self.null and self.choices is None else {}
        return super().formfield(**{**empty, **options})


class TypedText(TypedField, LinesField):
    """Lines of text of a type that Django does not know."""


class TypedInteger(TypedField, models.IntegerField):  # type: ignore[type-arg]  # as above
    """A whole number. Its bounds are those of the type, which a save is held to anyway."""

    @property
    def validators(self) -> list[Any]:
        """Without Django's, which are those of a type that it knows."""
        return list(self.default_validators)


class TypedFloat(TypedField, models.FloatField):  # type: ignore[type-arg]  # as above
    pass


class TypedDecimal(TypedField, models.DecimalField):  # type: ignore[type-arg]  # as above
    """A decimal, whose size may be left to the database."""


class TypedBoolean(TypedField, models.BooleanField):  # type: ignore[type-arg]  # as above
    pass


class TypedDate(TypedField, models.DateField):  # type: ignore[type-arg]  # as above
    pass


class TypedTime(TypedField, models.TimeField):  # type: ignore[type-arg]  # as above
    pass


class TypedDuration(TypedField, models.DurationField):  # type: ignore[type-arg]  # as above
    pass


class TypedUuid(TypedField, models.UUIDField):  # type: ignore[type-arg]  # as above
    pass


class TypedDateTime(TypedField, models.DateTimeField):  # type: ignore[type-arg]  # as above
    """An aware instant."""

    def to_python(self, value: Any) -> Any:
        found = _instant(self, value)
        if found is not None and timezone.is_naive(found):
            return timezone.make_aware(found)
        return found


class WallTimeField(TypedField, models.DateTimeField):  # type: ignore[type-arg]  # as above
    """A datetime without a zone: the clock of `zone`, in Python, in forms and in lists alike. An
    aware one, as Django's filters give them, is turned to that clock."""

    def __init__(self, *args: Any, zone: str = "UTC", **options: Any) -> None:
        self.zone = zone
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "zone": self.zone}

    def to_python(self, value: Any) -> Any:
        found = _instant(self, value)
        if found is not None and timezone.is_aware(found):
            return found.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)
        return found

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{**options, "form_class": wall_form(options.get("form_class"))})


def _instant(field: Any, value: Any) -> Any:
    """Django's reading of a datetime, which is told of a day alone without a warning."""
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return dt.datetime.combine(value, dt.time())
    if isinstance(value, str) and len(value) == len("2013-02-08"):
        value = f"{value} 00:00"
    return models.DateTimeField.to_python(field, value)


class ShownField(TypedField):
    """A value that no form can take back. It is shown where it could be edited otherwise."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.is_shown = bool(options.get("editable", True))
        super().__init__(*args, **{**options, "editable": False})

    def get_prep_value(self, value: Any) -> Any:
        try:
            return super().get_prep_value(value)
        except UnfitError as unfit:
            raise ValidationError(str(unfit)) from unfit


class OpaqueField(ShownField):
    """A value of a type about which nothing is known. PostgreSQL's drivers give its text, which the
    database is asked for at once, because the type may have no order and no equality."""

    @property
    def text_type(self) -> str | None:
        return "text" if self.storage().dialect.name == "postgresql" else None

    def comparable(self, sql: str) -> str:
        return sql

    def parameter(self, connection: Any) -> str:
        del connection
        return "%s"


class ShownBytes(bytes):
    """Bytes that people see as their number and their beginning."""

    def __str__(self) -> str:
        beginning = self[:16].hex(" ")
        return f"{len(self):,} bytes: {beginning}{' …' if len(self) > 16 else ''}"


class KeyBytes(bytes):
    """Bytes that are a key: people, addresses and forms have their hexadecimal digits."""

    def __str__(self) -> str:
        return self.hex()


class BytesField(ShownField):
    """Bytes: a text input would turn them into their repr. As a key they have a text, in addresses
    and hidden fields."""

    def from_db_value(self, raw: Any, expression: Any, connection: Any) -> Any:
        value = super().from_db_value(raw, expression, connection)
        shown = KeyBytes if self.primary_key else ShownBytes
        return shown(value) if isinstance(value, bytes | bytearray | memoryview) else value

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return KeyBytes.fromhex(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error
