"""What the fields of a mapped dataclass begin with.

SQLAlchemy makes a column's default of the ``default`` of a field, and leaves its
``default_factory`` to the constructor. Rows that the admin or a resource makes are made without
one, so the column has the factory for its default.
"""

import dataclasses
from typing import Any

from sqlalchemy import Column, ColumnDefault
from sqlalchemy.orm import Mapper


def take_factories(mapper: Mapper[Any]) -> None:
    """Give each column of `mapper` the factory of its field, if it has no default of its own."""
    if not dataclasses.is_dataclass(mapper.class_):
        return
    for field in dataclasses.fields(mapper.class_):
        column = mapper.columns.get(field.name)
        if field.default_factory is dataclasses.MISSING or not isinstance(column, Column):
            continue
        if column.default is None and column.server_default is None:
            column.default = ColumnDefault(field.default_factory)
            column.default.column = column
