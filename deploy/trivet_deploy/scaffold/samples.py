"""Values for the tests of a new model: one for each field that has to have one, in Python and in
JSON; and whole rows of the classes that it refers to."""

import datetime as dt
import enum
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Column, String, inspect
from sqlalchemy.orm import Mapper

from trivet import User
from trivet_deploy.scaffold.fields import FieldText
from trivet_deploy.scaffold.source import Source

MAX_DEPTH = 5
"""How far references of references are followed."""

_UUID = "7a5c1f3e-0c68-4b0f-9c0e-2f8b7c1d9e55"

_JSON = {
    "int": "1",
    "bigint": "1",
    "float": "1.5",
    "bool": "True",
    "date": '"2030-01-02"',
    "datetime": '"2030-01-02T03:04:05Z"',
    "time": '"03:04:05"',
    "duration": '"PT1H"',
    "uuid": f'"{_UUID}"',
    "json": '{"a": 1}',
}


def json_of(field: FieldText) -> str:
    """A literal of Python for the value of a field in JSON."""
    words = field.name.replace("_", " ")
    match field.type:
        case "str":
            return repr_of(f"A {words}"[: int(field.args[0])])
        case "text":
            return repr_of(f"Some {words}.")
        case "decimal":
            digits, scale = map(int, field.args)
            one = Decimal(1 if digits > scale else 0).quantize(Decimal(1).scaleb(-scale))
            return repr_of(str(one))
        case "enum":
            return repr_of(field.args[0])
        case kind:
            return _JSON[kind]


def repr_of(text: str) -> str:
    """A literal in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def row_of(mapped: type[Any], source: Source, number: int = 1, depth: int = 0) -> str:
    """An expression for a new row of `mapped`, with a value for each column that needs one; those
    of references are keys of rows that ``add`` stores. `source` imports what it names. Rows of
    another `number` have other texts and numbers, so that two are there beside each other."""
    mapper: Mapper[Any] = inspect(mapped)
    source.take(mapped.__module__, mapped.__name__)
    given = []
    for attribute in mapper.column_attrs:
        column = attribute.columns[0]
        if isinstance(column, Column) and _is_needed(column, mapper):
            given.append(f"{attribute.key}={_value_of(column, source, number, depth)}")
    return f"{mapped.__name__}({', '.join(given)})"


def _is_needed(column: "Column[Any]", mapper: Mapper[Any]) -> bool:
    if column.nullable or column.default is not None or column.server_default is not None:
        return False
    if column is mapper.version_id_col or column is mapper.polymorphic_on:
        return False
    makes_itself = column.primary_key and column is getattr(
        column.table, "autoincrement_column", None
    )
    return not makes_itself


def _value_of(column: "Column[Any]", source: Source, number: int, depth: int) -> str:
    for key in column.foreign_keys:
        if key.column.table is User.__table__:
            name = "somebody" if number == 1 else f"somebody{number}"
            return f'trivet.make_user("{name}").id'
        found = next(
            (each for each in User.registry.mappers if each.local_table is key.column.table), None
        )
        if found is not None and depth < MAX_DEPTH:
            return f"trivet.run(add, {row_of(found.class_, source, number, depth + 1)})"
    kind = column.type.python_type
    if issubclass(kind, enum.Enum):
        source.take(kind.__module__, kind.__name__)
        return f"{kind.__name__}.{next(iter(kind)).name}"
    return _literal(kind, column, source, number)


def _literal(kind: type[Any], column: "Column[Any]", source: Source, number: int) -> str:
    if issubclass(kind, str):
        length = column.type.length if isinstance(column.type, String) else None
        first = "A" if number == 1 else str(number)
        return repr_of(f"{first} {column.key.replace('_', ' ')}"[:length])
    if kind is Decimal:
        source.take("decimal", "Decimal")
        return f"Decimal({number})"
    if kind is UUID:
        source.take("uuid", "UUID")
        return f'UUID("{UUID(int=UUID(_UUID).int + number - 1)}")'
    instants = {
        dt.datetime: "dt.datetime(2030, 1, 2, tzinfo=dt.UTC)",
        dt.date: "dt.date(2030, 1, 2)",
        dt.time: "dt.time(3, 4)",
        dt.timedelta: "dt.timedelta(hours=1)",
    }
    if kind in instants:
        source.take("datetime")
        return instants[kind]
    plain: dict[Any, str] = {
        bool: "True",
        int: str(number),
        float: f"{number}.5",
        bytes: 'b"1"',
        list: "[]",
    }
    return plain.get(kind, "{}")
