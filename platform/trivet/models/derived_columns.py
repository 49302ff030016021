"""Of which columns the database works out another one: who reads it reads something of them."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement, TextClause
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import ColumnProperty, Mapper
from sqlalchemy.sql import visitors

_WORD = re.compile(r"\w+")


@cache  # classes stand in source code
def sources_of(mapper: Mapper[Any], name: str) -> frozenset[Any]:
    """The columns, of whatever tables, of which an attribute is made: one that is an expression
    (`column_property`, `hybrid_property`), a column that the database computes (`Computed`), or a
    proxy of attributes of other rows. None for any other, and none of its own primary key."""
    found: set[Any] = set()
    for each in _made(mapper, name):
        found |= columns_in(each)
    return frozenset(found.difference(mapper.primary_key))


def columns_in(made: Any) -> set[Any]:
    """The columns of tables that are read for `made`, an expression or a computed column; none for
    any other column."""
    if isinstance(made, Column):
        return set() if made.computed is None else _in_text(made)
    return {
        column
        for read in visitors.iterate(made)
        if isinstance(read, ColumnElement)
        for column in read.base_columns
        if isinstance(column, Column)
    }


def _made(mapper: Mapper[Any], name: str) -> Iterator[Any]:
    attribute = mapper.attrs.get(name)
    if isinstance(attribute, ColumnProperty):
        yield from attribute.columns
    descriptor = mapper.all_orm_descriptors.get(name)
    if isinstance(descriptor, AssociationProxy):
        yield from _read_by(lambda: getattr(mapper.class_, name).remote_attr)
    elif isinstance(descriptor, hybrid_property):
        said = [*_read_by(lambda: getattr(mapper.class_, name))]
        yield from said or _named_in(mapper, descriptor.fget)


def _read_by(attribute: Callable[[], Any]) -> Iterator[Any]:
    """The expression of an attribute of a class; none of a function that wants an object."""
    try:
        # As a label: the attribute is not the column that it reads, but another one.
        yield attribute().__clause_element__().label(None)
    except Exception:  # noqa: BLE001  # whatever an author's function says to a class
        return


def _named_in(mapper: Mapper[Any], function: Any) -> Iterator[Any]:
    """The columns that a function of Python's names, which says no more of itself."""
    for name in getattr(getattr(function, "__code__", None), "co_names", ()):
        attribute = mapper.attrs.get(name)
        if isinstance(attribute, ColumnProperty):
            yield from (each.label(None) for each in attribute.columns)


def _in_text(column: "Column[Any]") -> set[Any]:
    """SQLAlchemy does not parse SQL in a string: what is called like a column is taken for it."""
    assert column.computed is not None
    written = column.computed.sqltext
    read = set() if isinstance(written, TextClause) else columns_in(written)
    words = set(_WORD.findall(str(written)))
    return read | {
        each for each in column.table.columns if each.name in words and each is not column
    }
