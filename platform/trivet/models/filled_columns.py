"""Columns whose value the flush may know by itself, so that nobody has to give one."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Column

_FILLED = "trivet_filled"


def mark_filled(columns: Iterable[Any]) -> None:
    """Note that a flush gives these columns a value where a new row has none."""
    for each in columns:
        if isinstance(each, Column):
            each.info[_FILLED] = True


def is_filled(column: "Column[Any]") -> bool:
    """Whether a flush gives the column a value where a new row has none."""
    return bool(column.info.get(_FILLED))
