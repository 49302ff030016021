"""What only people know of a change: a rename, a value for rows, a loss that is meant.

A command asks at a terminal, and takes options without one. What nobody answers is refused with
the options, before a file is written that a database with rows would refuse.
"""

import datetime as dt
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from sqlalchemy import JSON, Column, Enum
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.errors import ConfigurationError
from trivet.models.types import Microseconds

IsRename = Callable[[str, str, str], bool]
"""Whether, in a table, a column that is gone has become one that is new."""


def _is_no_rename(_table: str, _old: str, _new: str) -> bool:
    return False


def _has_no_value(_name: str, _kind: str) -> str | None:
    return None


def _loses_nothing(_losses: list[str]) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Answers:
    """Who answers.

    Attributes:
        is_rename: Asked for a column that is gone and a new one of the same type.
        find_value: Asked for the value, as a text, of ``table.column`` for the rows that are there;
            it is told the type. None if there is none.
        may_lose: Asked whether what the sentences say may be lost.
        values: Values that were given, by ``table.column``.
        renames: The new names of columns that were renamed, by ``table.column``; `is_rename` is
            asked for no other new name of these.
    """

    is_rename: IsRename = _is_no_rename
    find_value: Callable[[str, str], str | None] = _has_no_value
    may_lose: Callable[[list[str]], bool] = _loses_nothing
    values: Mapping[str, str] = field(default_factory=dict)
    renames: Mapping[str, str] = field(default_factory=dict)

    def is_renamed(self, table: str, old: str, new: str) -> bool:
        """Whether, in `table`, the column that is gone has become the one that is new."""
        given = self.renames.get(f"{table}.{old}")
        return self.is_rename(table, old, new) if given is None else given == new

    def require_loss(self, losses: list[str]) -> None:
        """Raise ConfigurationError unless everything in `losses` may be lost."""
        if losses and not self.may_lose(losses):
            raise ConfigurationError(
                "loss",
                f"This revision loses what rows have: {'; '.join(losses)}. Cure: say --yes if that "
                "is meant, or --rename TABLE.OLD=NEW of a column that has another name now.",
            )

    def value_for(self, column: "Column[Any]") -> Any:
        """The value of a column for the rows that are there.

        Raises ConfigurationError, with the options, if nobody has one.
        """
        name = f"{column.table.name}.{column.name}"
        given = self.values.get(name)
        if given is None:
            given = self.find_value(name, str(column.type))
        if given is None:
            raise ConfigurationError(
                "no-value",
                f"The column {name} takes no NULL, and there are rows without a value for it. "
                f"Cure: --value {name}=…, or a server_default, or let the column take NULL.",
            )
        try:
            return parse(given, column)
        except (ValueError, InvalidOperation) as error:
            raise ConfigurationError(
                "wrong-value", f"{given!r} is no value of {name}, which is {column.type}: {error}."
            ) from error


def parse(given: str, column: "Column[Any]") -> Any:
    """The value that a text stands for in a column. Raises ValueError if it is none."""
    if isinstance(column.type, Enum):
        return _member(given, column.type)
    if isinstance(column.type, Microseconds):
        return dt.timedelta(seconds=float(given))
    stored = inner_type(column.type)
    if isinstance(stored, JSON):
        return json.loads(given)
    try:
        read = _READERS.get(stored.python_type, str)
    except NotImplementedError:
        read = str
    value = read(given)
    if isinstance(value, dt.datetime) and getattr(stored, "timezone", False) and not value.tzinfo:
        return value.replace(tzinfo=dt.UTC)
    return value


def inner_type(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type below decorators that do not say what they hold."""
    while isinstance(kind, TypeDecorator) and kind.python_type is object:
        kind = kind.impl_instance
    return kind


def _member(given: str, kind: Enum) -> Any:
    if given not in kind.enums:
        raise ValueError(f"known are {', '.join(map(str, kind.enums))}")
    if kind.enum_class is None:
        return given
    # What a type stores of its members is known to the type alone.
    values = dict(zip(kind.enums, kind.enum_class.__members__.values(), strict=False))
    return values[given]


def _truth(given: str) -> bool:
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if given.lower() not in known:
        raise ValueError("write true or false")
    return known[given.lower()]


_READERS: dict[type[Any], Callable[[str], Any]] = {
    bool: _truth,
    int: int,
    float: float,
    Decimal: Decimal,
    dt.date: dt.date.fromisoformat,
    dt.time: dt.time.fromisoformat,
    dt.datetime: dt.datetime.fromisoformat,
    uuid.UUID: uuid.UUID,
    dt.timedelta: lambda given: dt.timedelta(seconds=float(given)),
    bytes: bytes.fromhex,
}
