"""Of which columns the database works out another one: who reads it reads something of them."""

import re
from functools import cache
from typing import Any

from sqlalchemy import Column, ColumnElement
from sqlalchemy.orm import ColumnProperty, Mapper
from sqlalchemy.sql import visitors

_WORD = re.compile(r"\w+")


@cache  # classes stand in source code
def sources_of(mapper: Mapper[Any], name: str) -> frozenset[Any]:
    """The columns of its own row of which an attribute is made: one that is an expression
    (`column_property`) or a column that the database computes (`Computed`). None for any other."""
    attribute = mapper.attrs.get(name)
    if not isinstance(attribute, ColumnProperty):
        return frozenset()
    found: set[Any] = set()
    for each in attribute.columns:
        if isinstance(each, Column):
            found |= _in_text(each) if each.computed is not None else set()
        else:
            found |= _in_expression(mapper, each)
    return frozenset(found.difference(mapper.primary_key))


def _in_expression(mapper: Mapper[Any], expression: ColumnElement[Any]) -> set[Any]:
    read = [each for each in visitors.iterate(expression) if isinstance(each, ColumnElement)]
    own = {column for table in mapper.tables for column in table.columns}
    return {column for column in own if any(each.shares_lineage(column) for each in read)}


def _in_text(column: "Column[Any]") -> set[Any]:
    """SQLAlchemy does not parse SQL in a string: what is called like a column is taken for it."""
    assert column.computed is not None
    words = set(_WORD.findall(str(column.computed.sqltext)))
    return {each for each in column.table.columns if each.name in words and each is not column}
