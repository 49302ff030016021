"""The names of tables and attributes in sentences for people.

A class is called by its name in words (``ApiKey`` is "api key"), or by the ``verbose_name`` in its
table's ``info``; an attribute by its name without underscores, or by the ``label`` in its
column's ``info``. These are the names that the admin shows too.
"""

import re
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper

from trivet.models.mapped import every_mapper

_WORDS = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+")


def in_words(name: str) -> str:
    """A class's name in words, its abbreviations kept: API key, not api key."""
    words = _WORDS.findall(name)
    return " ".join(word if word.isupper() else word.lower() for word in words)


def find_mapper(table: Table) -> Mapper[Any] | None:
    """The mapper of `table`; of several, the one from which the others inherit."""
    found = [each for each in every_mapper() if each.local_table is table]
    return next((each for each in found if each.inherits not in found), None)


def noun_of(table: Table) -> str:
    """The name of a row of `table`."""
    given = table.info.get("verbose_name")
    if isinstance(given, str):
        return given
    mapper = find_mapper(table)
    return table.name.replace("_", " ") if mapper is None else in_words(mapper.class_.__name__)


def noun_of_rows(mapper: Mapper[Any]) -> str:
    """The name of a row of a class, also where the rows of its base are in the same table."""
    above = mapper.inherits
    if above is not None and above.local_table is mapper.local_table:
        return in_words(mapper.class_.__name__)
    table: Any = mapper.local_table
    return noun_of(table)


def with_article(noun: str) -> str:
    """``a guest``, ``an item``."""
    return f"{'an' if noun[:1].lower() in set('aeiou') else 'a'} {noun}"


def attribute_of(column: "Column[Any]") -> str:
    """The name of the mapped attribute that holds `column`."""
    table: Any = column.table
    mapper = find_mapper(table) if isinstance(table, Table) else None
    if mapper is not None and mapper.columns.contains_column(column):
        return mapper.get_property_by_column(column).key
    return column.key


def attributes_of_column(column: "Column[Any]") -> Iterator[tuple[Mapper[Any], str]]:
    """Every mapped attribute that holds `column`, each with its class."""
    for mapper in every_mapper():
        if mapper.columns.contains_column(column):
            yield mapper, mapper.get_property_by_column(column).key


def label_of(column: "Column[Any]") -> str:
    """The name of `column` in a sentence."""
    given = column.info.get("label")
    name = attribute_of(column).rstrip("_")
    return given if isinstance(given, str) else name.removesuffix("_id").replace("_", " ") or name
