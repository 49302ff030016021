"""Which Django field a column's type has.

Where both ORMs store a type alike, the field is Django's own. For every other type it is one over
SQLAlchemy's processors: chosen by the type that the database has, and for a decorated type by the
values that it makes of it (`trivet.data.fitting.examples`). A value of a kind that no form can
give back is shown and not edited.
"""

from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models
from sqlalchemy import (
    ARRAY,
    BINARY,
    JSON,
    VARBINARY,
    BigInteger,
    Boolean,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    PickleType,
    SmallInteger,
    String,
    Text,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import (
    CIDR,
    CITEXT,
    HSTORE,
    INET,
    INTERVAL,
    MACADDR,
    MACADDR8,
)
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.data.fitting.examples import kind_of, members_of
from trivet.data.fitting.ranges import find_end
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime
from trivet_admin.generic import AnyField
from trivet_admin.mirror import typed
from trivet_admin.mirror.containers import (
    AddressField,
    ItemsField,
    MappingField,
    NativeDocument,
    RangeField,
    TypedDocument,
)
from trivet_admin.mirror.documents import DocumentField
from trivet_admin.mirror.enums import EnumField
from trivet_admin.mirror.storage import Storage, storage_of

Options = dict[str, Any]
Maker = Callable[[Any, Options], AnyField]


def _kind(field: Callable[..., Any]) -> Maker:
    return lambda _kind, options: field(**options)


PLAIN: dict[type[Any], Maker] = {
    UtcDateTime: _kind(models.DateTimeField),
    IsoTime: _kind(models.TimeField),
    Microseconds: _kind(models.DurationField),
    JsonDocument: _kind(DocumentField),
    Text: _kind(typed.LinesField),
    String: lambda kind, options: models.CharField(max_length=kind.length, **options),
    BigInteger: _kind(models.BigIntegerField),
    SmallInteger: _kind(models.SmallIntegerField),
    Integer: _kind(models.IntegerField),
    Float: _kind(models.FloatField),
    Numeric: lambda kind, options: models.DecimalField(
        max_digits=kind.precision, decimal_places=kind.scale, **options
    ),
    Boolean: _kind(models.BooleanField),
    Date: _kind(models.DateField),
    Uuid: _kind(models.UUIDField),
}
"""What both ORMs store alike. Asked with the type's class and its bases, the nearest first."""


def field_of(kind: TypeEngine[Any], options: Options, annotation: Any, zone: str) -> AnyField:
    """The field for values of `kind`.

    Args:
        kind: The type of a column, or of the items of an array.
        options: The arguments of every field.
        annotation: The Python type of the values, where somebody names it.
        zone: The zone whose clock a datetime without one shows.

    Raises:
        SQLAlchemyError: For a type that the database does not have.
    """
    storage = storage_of(kind, connections[DEFAULT_DB_ALIAS].vendor)
    plain = _plain_maker(kind, storage)
    if plain is not None:
        return plain(kind, options)
    given = {**options, "kind": kind}
    if isinstance(storage.outer, TypeDecorator):
        return _decorated(kind, storage, given, annotation, zone)
    return _native(storage.native, given, zone)


def _plain_maker(kind: Any, storage: Storage) -> Maker | None:
    """The maker of a type as SQLAlchemy or this product has it, whose variant for this database,
    if it has one, is of the same kind."""
    module = type(kind).__module__
    if module not in ("sqlalchemy.sql.sqltypes", "trivet.models.types"):
        return None
    if isinstance(kind, Enum) or not _is_as_djangos(kind):
        return None
    for each in type(kind).__mro__:
        if each in PLAIN:
            is_ours = isinstance(kind, TypeDecorator)
            family = next((f for f in (Integer, String) if issubclass(each, f)), each)
            here = storage.outer if is_ours else storage.native
            is_same = isinstance(here, family) and not isinstance(here, Enum)
            return PLAIN[each] if is_same else None
    return None


def _is_as_djangos(kind: Any) -> bool:
    if isinstance(kind, Float):
        return not kind.asdecimal
    if isinstance(kind, Numeric):
        return bool(kind.asdecimal) and None not in (kind.precision, kind.scale)
    if isinstance(kind, Uuid):
        return bool(kind.as_uuid and kind.native_uuid)
    return True


def _native(native: Any, given: Options, zone: str) -> AnyField:
    """The field of a type without decorators, as the database has it."""
    if isinstance(native, Enum):
        return _enum(native, given)
    if isinstance(native, ARRAY):
        item = field_of(native.item_type, {}, None, zone)
        if not item.editable:
            return typed.ShownField(**given)
        return ItemsField(item=item, **given)
    if (end := find_end(native)) is not None:
        return RangeField(item=field_of(end, {}, None, zone), **given)
    for known, maker in NATIVE:
        if isinstance(native, known):
            return maker(native, {**given, "zone": zone})
    return (typed.ShownField if isinstance(native, AbstractRange) else typed.OpaqueField)(**given)


def _enum(native: Any, given: Options) -> AnyField:
    if native.enum_class is None:
        choices = [(value, value) for value in native.enums]
        return typed.TypedChar(choices=choices, **given)
    return EnumField(members=native.enum_class, **given)


def _unzoned(make: Maker) -> Maker:
    """For all but datetimes, whose clock has no zone."""
    return lambda native, given: make(native, {k: v for k, v in given.items() if k != "zone"})


def _typed(field: Callable[..., Any]) -> Maker:
    return _unzoned(_kind(field))


def _when(test: Callable[[Any], bool], field: Callable[..., Any], other: Maker) -> Maker:
    return lambda native, given: (_typed(field) if test(native) else other)(native, given)


NATIVE: tuple[tuple[Any, Maker], ...] = (
    (
        DateTime,
        _when(lambda native: native.timezone, typed.TypedDateTime, _kind(typed.WallTimeField)),
    ),
    (Time, _when(lambda native: native.timezone, typed.ShownField, _typed(typed.TypedTime))),
    (Date, _typed(typed.TypedDate)),
    ((Interval, INTERVAL), _typed(typed.TypedDuration)),
    (JSON, _typed(TypedDocument)),
    (Float, _when(lambda native: native.asdecimal, typed.TypedDecimal, _typed(typed.TypedFloat))),
    (
        Numeric,
        _when(lambda native: not native.asdecimal, typed.TypedFloat, _unzoned(
            lambda native, given: typed.TypedDecimal(
                max_digits=native.precision, decimal_places=native.scale, **given
            )
        )),
    ),
    (Uuid, _when(lambda native: native.as_uuid, typed.TypedUuid, _typed(typed.TypedChar))),
    ((Text, CITEXT), _typed(typed.TypedText)),
    (
        String,
        _unzoned(lambda native, given: typed.TypedChar(max_length=native.length, **given)),
    ),
    (Integer, _typed(typed.TypedInteger)),
    (Boolean, _typed(typed.TypedBoolean)),
    ((LargeBinary, BINARY, VARBINARY), _typed(typed.BytesField)),
    ((INET, CIDR, MACADDR, MACADDR8), _typed(AddressField)),
    (HSTORE, _typed(MappingField)),
)  # fmt: skip
"""By the type that the database has, the more special before the general."""


def _decorated(kind: Any, storage: Storage, given: Options, annotation: Any, zone: str) -> AnyField:
    """The field of a decorated type, by the values that it has on the side of Python."""
    if isinstance(kind, PickleType):
        return typed.ShownField(**given)
    if (members := members_of(annotation)) is not None:
        return _decorated_enum(members, storage, given)
    name = kind_of(kind, storage.dialect, annotation)
    if name is None:
        is_document = isinstance(storage.native, JSON)
        return NativeDocument(**given) if is_document else typed.ShownField(**given)
    if name == "wall time":
        return typed.WallTimeField(zone=zone, **given)
    if name == "text":
        declared: Any = storage.declared
        if isinstance(declared, Text) or not isinstance(declared, String):
            return typed.TypedText(**given)
        return typed.TypedChar(max_length=declared.length, **given)
    found: AnyField = DECORATED[name](**given)
    return found


def _decorated_enum(members: Any, storage: Storage, given: Options) -> AnyField:
    """A choice, if every member comes back; otherwise the type has other values than it says."""
    try:
        known = storage.fit is not None and all(storage.fit(each) is each for each in members)
    except Exception:  # noqa: BLE001  # whatever code of others says to a foreign value
        known = False
    return EnumField(members=members, **given) if known else typed.ShownField(**given)


DECORATED: dict[str, Callable[..., Any]] = {
    "uuid": typed.TypedUuid,
    "instant": typed.TypedDateTime,
    "day": typed.TypedDate,
    "time": typed.TypedTime,
    "span": typed.TypedDuration,
    "decimal": typed.TypedDecimal,
    "flag": typed.TypedBoolean,
    "whole": typed.TypedInteger,
    "float": typed.TypedFloat,
    "object": TypedDocument,
    "list": TypedDocument,
    "bytes": typed.BytesField,
    "address": AddressField,
}
"""By the names of `EXAMPLES`."""
