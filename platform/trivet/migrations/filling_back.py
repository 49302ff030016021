"""The way back of a revision brings NOT NULL to rows that have no value: what was dropped is gone.

So the column takes NULL, is filled with the plain value of its type, and then takes none, in the
steps of the way on (`trivet.migrations.filling`). A reference and what is unique have no such
value: the revision says so.
"""

import datetime as dt
import uuid
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from alembic.autogenerate import renderers
from alembic.operations import MigrateOperation, ops
from sqlalchemy import JSON, Column, Enum, MetaData, String, Table
from sqlalchemy.types import TypeEngine

from trivet.errors import ConfigurationError
from trivet.migrations.answers import inner_type
from trivet.migrations.filling import FillOp, filling, name_of_strict

_PLAIN: dict[type[Any], Any] = {
    str: "",
    bool: False,
    int: 0,
    float: 0,
    Decimal: 0,
    dt.date: dt.date(1970, 1, 1),
    dt.time: dt.time(),
    dt.timedelta: dt.timedelta(),
    bytes: b"",
    uuid.UUID: uuid.UUID(int=0),
}


_TEXTS = {15: "00:00:00", 26: "1970-01-01 00:00:00", 32: "0" * 32}
"""By its length a text in which SQLite has a time, an instant or a UUID: the catalogue does not
tell them from other texts, to which these do no harm."""


class NoteOp(MigrateOperation):
    """Says to people what rows get on the way back, and of which columns no value is known: in a
    docstring, which stays where comments go."""

    def __init__(self, unknown: Sequence[str]) -> None:
        self.unknown = unknown


@renderers.dispatch_for(NoteOp)
def _render(_context: Any, operation: NoteOp) -> list[str]:
    lines = [_FILLED, _ELSE]
    if operation.unknown:
        lines += ["", _UNKNOWN, *(f"* {each}" for each in operation.unknown)]
    return [repr("\n".join([lines[0], *(f"    {each}".rstrip() for each in lines[1:]), "    "]))]


_FILLED = "Rows that are there get plain values, because their own are gone."
_ELSE = "Write others where these mean nothing, as in a text that stands for a choice."
_UNKNOWN = "Where there are rows, this stops until values are written here for:"


def fill_back(downgrade: ops.DowngradeOps) -> None:
    """Put the three steps in the place of each that a table with rows would refuse."""
    changed: list[MigrateOperation] = []
    unknown: list[str] = []
    for operation in downgrade.ops:
        if isinstance(operation, ops.ModifyTableOps):
            changed += _steps(operation, unknown)
        else:
            changed.append(operation)
    is_noted = unknown or any(isinstance(each, FillOp) for each in changed)
    downgrade.ops = [*([NoteOp(unknown)] if is_noted else []), *changed]


def _steps(change: ops.ModifyTableOps, unknown: list[str]) -> Iterator[MigrateOperation]:
    fills: list[MigrateOperation] = []
    strict: list[MigrateOperation] = []
    distinct = {*_distinct(change)}
    for each in list(change.ops):
        if name_of_strict(each) is None:
            continue
        wanted = _column(change, each)
        fill = None if wanted.name in distinct else _fill(wanted)
        if fill is None:
            unknown.append(f"{change.table_name}.{wanted.name}")
        else:
            fills.append(fill)
            strict.append(_loosened(change, each, wanted))
    if change.ops:
        yield change
    yield from fills
    if strict:
        yield ops.ModifyTableOps(change.table_name, strict, schema=change.schema)


def _fill(wanted: "Column[Any]") -> FillOp | None:
    """What gives the column its plain value; None if there is none."""
    try:
        return filling(wanted, _plain(wanted.type))
    except (LookupError, NotImplementedError, ConfigurationError):
        return None


def _column(change: ops.ModifyTableOps, operation: Any) -> "Column[Any]":
    """The column of an operation, as it is after it."""
    if isinstance(operation, ops.AddColumnOp):
        name, kind = operation.column.name, operation.column.type
    else:
        name = operation.modify_name or operation.column_name
        kind = operation.modify_type or operation.existing_type
    column: Column[Any] = Column(name, kind)
    Table(change.table_name, MetaData(), column, schema=change.schema)
    return column


def _loosened(
    change: ops.ModifyTableOps, operation: Any, wanted: "Column[Any]"
) -> ops.AlterColumnOp:
    """Let `operation` take NULL; returns what ends that."""
    if isinstance(operation, ops.AddColumnOp):
        operation.column.nullable = True
    else:
        operation.modify_nullable = None
        if not operation.has_changes():
            change.ops.remove(operation)
    return ops.AlterColumnOp(
        change.table_name,
        wanted.name,
        schema=change.schema,
        existing_type=wanted.type,
        modify_nullable=False,
    )


def _plain(kind: TypeEngine[Any]) -> Any:
    """A value that any row may have. Raises LookupError or NotImplementedError if none is known."""
    if isinstance(kind, Enum):
        return next(iter(kind.enum_class or kind.enums))
    if isinstance(kind, String) and kind.length in _TEXTS:
        return _TEXTS[kind.length]
    stored = inner_type(kind)
    if isinstance(stored, JSON):
        return {}
    python = stored.python_type
    if python is dt.datetime:
        zone = dt.UTC if getattr(stored, "timezone", False) else None
        return dt.datetime(1970, 1, 1, tzinfo=zone)
    return _PLAIN[python]


def _distinct(change: ops.ModifyTableOps) -> Iterator[str]:
    """The columns of which rows cannot all have one value: they refer, or are unique alone."""
    for each in change.ops:
        match each:
            case ops.CreateForeignKeyOp():
                yield from each.local_cols
            case ops.CreateUniqueConstraintOp():
                yield from map(str, each.columns)
            case ops.CreateIndexOp(unique=True):
                yield from map(str, each.columns)
            case ops.AddColumnOp(column=column) if column.foreign_keys or column.unique:
                yield column.name
            case _:
                pass
