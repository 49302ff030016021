"""What the values of a column are in JSON: their schema, their bounds, and how they are written.

A type is taken for what it does, as the admin takes it. Types that SQLAlchemy has are known by
their class, decorated ones by the values that they make on the side of Python
(`trivet.data.fitting.examples`). A value of a kind that is nowhere known leaves no column, because
nobody could say what a client may rely on.

Numbers, flags and texts are read by the letter: a JSON ``"5"`` is no number and 1 is no flag.
"""

import base64
import binascii
import enum
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
)
from sqlalchemy import (
    ARRAY,
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
    PickleType,
    SmallInteger,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import NullType, TypeDecorator, TypeEngine

from trivet.data.fitting.documents import fit_document
from trivet.data.fitting.examples import ANNOTATED, members_of
from trivet.data.fitting.fit import UnfitError
from trivet.data.fitting.ranges import RANGES, find_end
from trivet.data.json_values import (
    is_of_others,
    kind_anywhere,
    stored_names,
    write_decimal,
    write_each,
    write_model,
    write_range,
)
from trivet.models.types import IsoTime, JsonDocument, Microseconds, UtcDateTime
from trivet_api.resource.json_times import DAY, INSTANT, SPAN, TIME, WALL_TIME, ZONED_TIME
from trivet_api.resource.json_type import UNKNOWN, Encoder, JsonType, unfit
from trivet_api.resource.ranges import range_annotation

SHORT_BITS = 16
"""Of a ``SmallInteger``, for which OpenAPI has no format."""


def json_type_of(column: "Column[Any]", hint: Any = None) -> JsonType:
    """The JSON of a column's values; `hint` is what the class annotates, if it does."""
    return _type_of(column.type, hint)


def _type_of(kind: Any, hint: Any) -> JsonType:
    if is_of_others(kind):
        return UNKNOWN if isinstance(kind, PickleType) else _decorated(kind, hint)
    if isinstance(kind, (JSON, JsonDocument)):
        return JsonType(_document(hint))
    if isinstance(kind, NullType) and hint in ANNOTATED:  # an expression, of which the class knows
        return _BY_NAME[ANNOTATED[hint][0]]
    return next((make(kind) for known, make in _MAKERS if isinstance(kind, known)), UNKNOWN)


# Whole numbers, decimals and flags


def _whole(bits: int) -> JsonType:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def name_bounds(known: dict[str, Any]) -> None:
        # A bound of 64 bits is no double: whoever reads it as one, FastAPI's writer of documents
        # for a start, has another one. And what has bounds is a class of its own to generators.
        del known["minimum"], known["maximum"]
        known["format"] = f"int{bits}"

    extra = name_bounds if bits > SHORT_BITS else None
    return JsonType(Annotated[int, Field(ge=low, le=high, strict=True, json_schema_extra=extra)])


_FLOAT = JsonType(Annotated[float, Field(allow_inf_nan=False, strict=True)])


_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
PLAIN_PLACES = 6
"""With more of them Python writes small decimals with an exponent."""


def _decimal(kind: Any) -> JsonType:
    """Decimals leave as texts, which no reader rounds, and come in as texts or numbers."""
    if not kind.asdecimal:
        return _FLOAT
    digits, places = kind.precision, kind.scale or 0
    if isinstance(kind, Float) or digits is None:
        bounds, pattern, places = Field(allow_inf_nan=False), r"^-?[0-9]+(\.[0-9]+)?$", None
    else:
        bounds = Field(max_digits=digits, decimal_places=places, allow_inf_nan=False)
        fraction = rf"(\.[0-9]{{1,{places}}})?" if places > 0 else ""
        pattern = rf"^-?[0-9]{{1,{max(digits - places, 1)}}}{fraction}$"
    is_plain = places is not None and places <= PLAIN_PLACES
    text = {"type": "string", "format": "decimal", "pattern": pattern}
    annotation = Annotated[
        Decimal,
        bounds,
        BeforeValidator(_read_decimal),
        PlainSerializer(write_decimal, return_type=str, when_used="json"),
        WithJsonSchema({"anyOf": [{"type": "number"}, text]}, mode="validation"),
        WithJsonSchema(text, mode="serialization"),
    ]
    return JsonType(annotation, None if is_plain else write_decimal)


def _read_decimal(value: Any) -> Any:
    if isinstance(value, bool) or (isinstance(value, str) and not _DECIMAL.fullmatch(value)):
        raise unfit("it must be a number, such as 12.50")
    return value


_FLAG = JsonType(Annotated[bool, Field(strict=True)])


# Texts, choices, bytes


def _text(kind: Any) -> JsonType:
    if kind.length is None:
        return JsonType(str)
    least = kind.length if isinstance(kind, pg.CHAR) else None
    return JsonType(Annotated[str, Field(min_length=least, max_length=kind.length)])


def _choice(kind: Enum) -> JsonType:
    if kind.enum_class is None:
        return JsonType(Literal[tuple(kind.enums)])
    members: type[enum.Enum] = kind.enum_class
    names = stored_names(kind)
    if names is None and len(members.__members__) > len(members):
        names = {each: each.value for each in members}  # Pydantic lists a value for each name
    return JsonType(members) if names is None else JsonType(*_by_names(members, names))


def _by_names(members: Any, written: Mapping[enum.Enum, str]) -> tuple[Any, Encoder]:
    """An enum by what its column stores, which are not the values of its members."""
    stored = {name: member for member, name in written.items()}
    names = list(stored)

    def write(member: enum.Enum) -> str:
        return written[member]

    def read(value: Any) -> Any:
        if isinstance(value, members):
            return value
        if isinstance(value, str) and value in stored:
            return stored[value]
        raise unfit(f"it must be one of {', '.join(names)}")

    annotation = Annotated[
        members,
        BeforeValidator(read),
        PlainSerializer(write, return_type=str, when_used="json"),
        WithJsonSchema({"type": "string", "enum": names}),
    ]
    return annotation, write


def write_bytes(value: Any) -> str:
    """Bytes as Base64 (RFC 4648, 4)."""
    return base64.b64encode(value).decode("ascii")


def _read_bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise unfit("it must be bytes in Base64") from None


def _bytes(kind: Any) -> JsonType:
    length = kind.length if isinstance(kind, BINARY | VARBINARY) else None
    schema: dict[str, Any] = {"type": "string", "contentEncoding": "base64"}
    if length is not None:
        schema["maxLength"] = 4 * ((length + 2) // 3)
    annotation = Annotated[
        bytes,
        Field(max_length=length, strict=True),
        BeforeValidator(_read_bytes),
        PlainSerializer(write_bytes, return_type=str, when_used="json"),
        WithJsonSchema(schema),
    ]
    return JsonType(annotation, write_bytes)


def _uuid(kind: Any) -> JsonType:
    if kind.as_uuid:
        return JsonType(UUID)
    schema = {"type": "string", "format": "uuid"}
    normal = AfterValidator(lambda value: str(UUID(value)))
    return JsonType(Annotated[str, normal, WithJsonSchema(schema)])


# Documents, lists, and what PostgreSQL has alone


def _document(hint: Any) -> Any:
    kind = {dict: dict[str, JsonValue], list: list[JsonValue]}.get(hint, JsonValue)
    return Annotated[kind, AfterValidator(_fit_document)]


def _fit_document(value: Any) -> Any:
    try:
        return fit_document(value)
    except UnfitError as error:
        raise unfit(str(error)) from None


def _array(kind: Any) -> JsonType:
    inner = _type_of(kind.item_type, None)
    annotation: Any = inner.annotation
    for _ in range(kind.dimensions or 1):
        annotation = list[annotation]
    encode = inner.encode
    return JsonType(
        annotation,
        None if encode is None else write_each(encode),
        inner.is_readable,
        inner.is_writable,
    )


def _as_text(value: Any) -> Any:
    return value if isinstance(value, str | bool | int | float) else str(value)


_ADDRESS = JsonType(
    Annotated[str, BeforeValidator(_as_text), PlainSerializer(str, return_type=str)], str
)
_SHOWN = JsonType(
    Annotated[str, BeforeValidator(str), PlainSerializer(str, return_type=str)],
    str,
    is_writable=False,
)


def _range(kind: Any) -> JsonType:
    end = _type_of(find_end(kind), None)
    return JsonType(range_annotation(type(kind).__name__, end.annotation), write_range)


def _always(found: JsonType) -> Callable[[Any], JsonType]:
    return lambda _kind: found


_MAKERS: tuple[tuple[Any, Callable[[Any], JsonType]], ...] = (
    (UtcDateTime, _always(INSTANT)),
    (IsoTime, _always(TIME)),
    ((Microseconds, Interval, pg.INTERVAL), _always(SPAN)),
    (Enum, _choice),
    (Boolean, _always(_FLAG)),
    (BigInteger, _always(_whole(64))),
    (SmallInteger, _always(_whole(16))),
    (Integer, _always(_whole(32))),
    ((Numeric, Float), _decimal),
    (DateTime, lambda kind: INSTANT if kind.timezone else WALL_TIME),
    (Date, _always(DAY)),
    (Time, lambda kind: ZONED_TIME if kind.timezone else TIME),
    (Uuid, _uuid),
    (LargeBinary, _bytes),
    ((BINARY, VARBINARY), _bytes),
    ((pg.INET, pg.CIDR, pg.MACADDR, pg.MACADDR8), _always(_ADDRESS)),
    (pg.HSTORE, _always(JsonType(dict[str, str | None]))),
    (RANGES, _range),
    (ARRAY, _array),
    (pg.TSVECTOR, _always(UNKNOWN)),
    ((pg.BIT, pg.MONEY, pg.OID), _always(_SHOWN)),
    (String, _text),
    (NullType, _always(UNKNOWN)),
)
"""Asked from above, the more special before the general."""


def _decorated(kind: "TypeDecorator[Any]", hint: Any) -> JsonType:
    """A decorated type by the values that it has on the side of Python."""
    if (members := members_of(hint)) is not None:
        return JsonType(members)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return JsonType(hint, write_model)
    name = kind_anywhere(kind, hint)
    if name == "text":
        below = _below(kind)
        length = getattr(below, "length", None) if isinstance(below, String) else None
        return JsonType(Annotated[str, Field(max_length=length)] if length else str)
    return UNKNOWN if name is None else _BY_NAME[name]


def _below(kind: Any) -> TypeEngine[Any]:
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    found: TypeEngine[Any] = kind
    return found


_BY_NAME: dict[str, JsonType] = {
    "uuid": JsonType(UUID),
    "instant": INSTANT,
    "wall time": WALL_TIME,
    "day": DAY,
    "time": TIME,
    "span": SPAN,
    "decimal": _decimal(Numeric()),
    "flag": _FLAG,
    "whole": _whole(64),
    "float": _FLOAT,
    "object": JsonType(_document(dict)),
    "list": JsonType(_document(list)),
    "bytes": _bytes(LargeBinary()),
    "address": _ADDRESS,
    "text": JsonType(str),
}
"""By the names of `trivet.data.fitting.examples.EXAMPLES`."""
