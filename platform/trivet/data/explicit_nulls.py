"""Nulls that somebody gave to a new row.

SQLAlchemy takes a None of a new row for a value that nobody gave, and writes the column's default.
Where a client or a form has said null, null is meant.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import inspect, null
from sqlalchemy.orm.attributes import instance_dict

from trivet.capture.old_values import columns_of


def keep_nulls(row: Any, names: Iterable[str]) -> None:
    """Have the flush write null for those of `names` that are None, whatever their default is.

    Args:
        row: A new object, with all its attributes set.
        names: Attributes that were given. What a validator has made a value of keeps it.
    """
    columns = columns_of(inspect(row).mapper)
    for name in names:
        column = columns.get(name)
        defaults = () if column is None else (column.default, column.server_default)
        if any(each is not None for each in defaults) and getattr(row, name) is None:
            instance_dict(row)[name] = null()  # past the validators, which saw the None
