"""The columns of a changed row as JSON, so that a condition of SQL can be asked about it later.

The values are those that the database stores, and not those of Python: `jsonb_to_record` of
PostgreSQL reads them by the input functions of the columns' types, and `json_extract` of SQLite
finds what lies in the table. Each has the name of its attribute.

Secrets are not among them, nor bytes on SQLite, whose JSON has none. A condition that needs such a
column cannot be asked.
"""

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import JSON, Column, LargeBinary
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator

from trivet.capture.old_values import columns_of
from trivet.models.secret_columns import is_secret

Write = Callable[[Any], Any]
_MICROSECOND = dt.timedelta(microseconds=1)


def storable(mapper: Mapper[Any], dialect: Dialect) -> Mapping[str, Column[Any]]:
    """The columns of a class whose values are kept, by attribute."""
    return {
        key: column for key, column in columns_of(mapper).items() if is_storable(column, dialect)
    }


def is_storable(column: "Column[Any]", dialect: Dialect) -> bool:
    """Whether values of `column` are kept."""
    return not is_secret(column) and not (
        dialect.name == "sqlite" and _holds_bytes(column, dialect)
    )


def encode_row(mapper: Mapper[Any], dialect: Dialect, values: Mapping[str, Any]) -> str:
    """Those of `values` (by attribute, as Python has them) that are kept, as a JSON object."""
    writers = _writers_of(mapper, dialect)
    row = {key: writers[key](value) for key, value in values.items() if key in writers}
    return msgspec.json.encode(row, enc_hook=as_json_text).decode()


@lru_cache(maxsize=1024)
def _writers_of(mapper: Mapper[Any], dialect: Dialect) -> Mapping[str, Write]:
    found = storable(mapper, dialect).items()
    return {key: writer_of(column, dialect) for key, column in found}


@lru_cache(maxsize=4096)
def writer_of(column: "Column[Any]", dialect: Dialect) -> Write:
    """What makes of a value of `column` that which the database stores, as JSON."""
    kind: Any = column.type.dialect_impl(dialect)
    process = kind.bind_processor(dialect)
    is_document = holds_document(column, dialect)

    def write(value: Any) -> Any:
        # None too is processed, as it is for the driver: of a document it may be null, which is
        # no NULL.
        value = value if process is None else process(value)
        if hasattr(value, "obj"):  # psycopg's wrapper of documents and bytes
            return msgspec.json.encode(value.obj).decode() if is_document else _plain(value.obj)
        return _plain(value)

    return write


def _holds_bytes(column: "Column[Any]", dialect: Dialect) -> bool:
    return isinstance(_below(column, dialect), LargeBinary)


def holds_document(column: "Column[Any]", dialect: Dialect) -> bool:
    """Whether a column holds JSON. It is kept as a text, because its null is no NULL."""
    return isinstance(_below(column, dialect), JSON)


def _below(column: "Column[Any]", dialect: Dialect) -> Any:
    """The type of a column in the database, under all decorators."""
    kind: Any = column.type.dialect_impl(dialect)
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return kind


def _plain(value: Any) -> Any:
    """A value for the driver as JSON that the database reads as the same."""
    match value:
        case float() if not math.isfinite(value):
            return str(value)
        case bytes() | bytearray() | memoryview():
            return "\\x" + bytes(value).hex()
        case dt.timedelta():
            return f"{value // _MICROSECOND} microseconds"
        case list() | tuple():
            return [_plain(each) for each in value]
        case _ if hasattr(value, "isempty"):
            return _range_text(value)
        case _:
            return value


def _range_text(value: Any) -> str:
    if value.isempty:
        return "empty"
    first, last = value.bounds
    lower, upper = ("" if end is None else f'"{end}"' for end in (value.lower, value.upper))
    return f"{first}{lower},{upper}{last}"


def as_json_text(value: Any) -> str:
    """A value that JSON does not know, as a database reads it."""
    if isinstance(value, Sequence):  # a range of several parts
        return f"{{{','.join(map(_range_text, value))}}}"
    return str(value)
