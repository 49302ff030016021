"""Attributes that read other rows: nobody sees more through one than there."""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy.orm import Mapper

from trivet.models.derived_columns import sources_of
from trivet.models.labels import attributes_of_column

Read = tuple[type[Any], str]


def with_readers(
    mapper: Mapper[Any], hidden_of: Callable[[type[Any]], frozenset[str]]
) -> frozenset[str]:
    """The attributes of a class that `hidden_of` names, and those that read such attributes of
    other classes."""
    own = hidden_of(mapper.class_)
    return own | {
        name
        for name, read in _readers_of(mapper)
        if any(attribute in hidden_of(other) for other, attribute in read)
    }


@cache  # classes stand in source code
def _readers_of(mapper: Mapper[Any]) -> tuple[tuple[str, tuple[Read, ...]], ...]:
    """The attributes of a class that are made of columns of others, each with their attributes."""
    own = {column for table in mapper.tables for column in table.columns}
    names = dict.fromkeys([*mapper.attrs.keys(), *mapper.all_orm_descriptors.keys()])
    read = {
        name: tuple(
            (other.class_, attribute)
            for column in sources_of(mapper, name) - own
            for other, attribute in attributes_of_column(column)
        )
        for name in names
    }
    return tuple((name, others) for name, others in read.items() if others)
