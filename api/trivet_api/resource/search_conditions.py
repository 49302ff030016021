"""The SQL of a search.

On PostgreSQL it is ``websearch_to_tsquery`` with the configuration ``simple``, which knows whole
words of any language in upper and lower case. On SQLite the words are looked up in the table of
FTS5 that belongs to a declared index (`trivet.models.searches`). Without an index every text is
read, on either database, and the same rows are found (docs/decisions/0161).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    String,
    Table,
    and_,
    bindparam,
    column,
    func,
    not_,
    or_,
    select,
    table,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from trivet.data.words import HAS_WORDS
from trivet.errors import ConfigurationError
from trivet.models.search_tables import NUMBER, SearchTable
from trivet.models.searches import CONFIGURATION, document, find_search, text_of
from trivet.suggestion import did_you_mean
from trivet_api.resource.declaring import mapper_of
from trivet_api.resource.fields import Field
from trivet_api.resource.operators import is_text
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.searching import Search

Condition = ColumnElement[bool]


class Searching:
    """The search of a resource.

    Raises ConfigurationError for an attribute that holds no text.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.names = options.search
        self._columns = {name: _column(options, name) for name in options.search}
        self._index = _find_index(self._columns.values())

    def visible(self, hidden: frozenset[str]) -> tuple[str, ...]:
        """The attributes in which an actor may look."""
        return tuple(name for name in self.names if name not in hidden)

    def find_table(self, hidden: frozenset[str]) -> SearchTable | None:
        """The table in which SQLite could look for an actor, if the database has it. An index of
        all the texts is none of some of them."""
        is_served = self._index is not None and self.visible(hidden) == self.names
        return self._index if is_served else None

    def condition(
        self,
        search: Search,
        hidden: frozenset[str],
        *,
        is_postgresql: bool,
        is_indexed: bool = False,
    ) -> Condition:
        """The condition that a row is found. `is_indexed` says that SQLite has the table."""
        place = self.find_table(hidden)
        if place is not None and is_indexed:
            return _looked_up(place, self._in_order(place), search)
        columns = [self._columns[name] for name in self.visible(hidden)]
        if place is not None:
            columns = self._in_order(place)
        return _full_text(columns) if is_postgresql else _each_word(text_of(columns), search)

    def _in_order(self, place: SearchTable) -> list[Any]:
        """The attributes in the order of the index. PostgreSQL would not know it in another one."""
        named = {_column_of(each).name: each for each in self._columns.values()}
        return [named[name] for name in place.index.columns]


def find_declared(model: type[Any], fields: Mapping[str, Field]) -> tuple[str, ...]:
    """The readable attributes that the tables of a class say are indexed for searches."""
    tables = (each for each in mapper_of(model).tables if isinstance(each, Table))
    for each in tables:
        index = find_search(each)
        if index is not None:
            named = {field.column: name for name, field in fields.items()}
            columns = [each.columns[name] for name in index.columns]
            return tuple(named[column] for column in columns if column in named)
    return ()


def _full_text(columns: Sequence[Any]) -> Condition:
    wanted = func.websearch_to_tsquery(CONFIGURATION, bindparam("search", type_=String()))
    found: Condition = document(columns).bool_op("@@")(wanted)
    return found


def _each_word(text: Any, search: Search) -> Condition:
    """Each text is read, those first that LIKE lets through: it is SQLite's own."""
    numbered = iter(range(len(search.words)))
    alternatives = []
    for words in search.alternatives:
        conditions = []
        for word, at in zip(words, numbered, strict=False):
            pattern, given = (bindparam(f"{each}{at}", type_=String()) for each in "sw")
            found = and_(text.like(pattern), getattr(func, HAS_WORDS)(text, given))
            conditions.append(not_(found) if word.absent else found)
        alternatives.append(and_(*conditions))
    return or_(*alternatives)


def _looked_up(place: SearchTable, columns: Sequence[Any], search: Search) -> Condition:
    row = _column_of(columns[0]).table.columns
    keys = [row[name] for name in place.index.keys]
    key = keys[0] if len(keys) == 1 else tuple_(*keys)
    found: Condition = key.in_(_keys_with(place, "wanted"))
    if search.unwanted:
        others = [key.not_in(_keys_with(place, "unwanted"))]
        if len(columns) == 1:
            others.append(columns[0].is_not(None))
        found = or_(found, and_(*others))
    return found


def _keys_with(place: SearchTable, parameter: str) -> Any:
    """The keys of the rows whose text has what a parameter says."""
    words = table(place.name, column("rowid", Integer), column(place.name))
    is_found = words.c[place.name].op("MATCH")(bindparam(parameter, type_=String()))
    numbers = select(words.c.rowid).where(is_found)
    if place.index.rowid is not None:
        return numbers
    keys = table(place.keys, column(NUMBER, Integer), *map(column, place.key_columns))
    named = [keys.c[each] for each in place.key_columns]
    return select(*named).where(keys.c[NUMBER].in_(numbers))


def _column_of(attribute: Any) -> Any:
    """What an attribute stands for: a column of a table, or an expression."""
    return attribute.property.columns[0]


def _find_index(attributes: Iterable[Any]) -> SearchTable | None:
    """The index of just these attributes, if the table that has them declares it."""
    columns = [_column_of(each) for each in attributes]
    tables = {getattr(each, "table", None) for each in columns}
    found = tables.pop() if len(tables) == 1 else None
    index = find_search(found) if isinstance(found, Table) else None
    if index is None or {*index.columns} != {each.name for each in columns}:
        return None
    return SearchTable(index)


def _column(options: ReadOptions, name: str) -> Any:
    field = options.fields.get(name)
    if field is not None and is_text(field):
        return field.attribute
    found = getattr(options.model, name, None)
    if field is None and isinstance(getattr(found, "type", None), TSVECTOR):
        return found
    raise ConfigurationError(
        "resource",
        f"resource({options.model.__name__}): it cannot search in {name!r}, which is no readable "
        f"text{did_you_mean(name, options.fields)}",
    )
