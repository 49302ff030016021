"""The texts of a table that are indexed for searches by words.

A table says it in its ``info``: ``{"search": ["title", "notes"]}``. Revisions make the index: on
PostgreSQL a GIN index of a ``tsvector``, on SQLite a table of FTS5 that triggers fill
(docs/decisions/0161). An index decides how fast a search is, and never what it finds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Enum, Index, Integer, String, Table, func, literal_column
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.errors import ConfigurationError
from trivet.models.views import is_migrated
from trivet.suggestion import did_you_mean

SEARCH = "search"
"""The key of a table's ``info``."""
SUFFIX = "_search"
"""What stands behind the name of a table in the names of its index."""
_EMPTY: Any = literal_column("''")
_BLANK: Any = literal_column("' '")
CONFIGURATION: Any = literal_column("'simple'::regconfig")
_SQLITE = sqlite.dialect()


@dataclass(frozen=True, slots=True)
class SearchIndex:
    """The index of a table for searches.

    Attributes:
        table: The name of the table.
        columns: The names of the columns that are indexed as one text, in its order.
        rowid: The name of its key, if that is one whole number.
        key: The names of its key otherwise.
        schema: The schema of the table.
    """

    table: str
    columns: tuple[str, ...]
    rowid: str | None = None
    key: tuple[str, ...] = ()
    schema: str | None = None

    @property
    def name(self) -> str:
        """The name of its table on SQLite."""
        return f"{self.table}{SUFFIX}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the key, of whatever kind."""
        return self.key if self.rowid is None else (self.rowid,)

    @property
    def missing(self) -> str:
        """The sentence of its absence."""
        return f"{self.sentence} is in the models and not in the database"

    @property
    def left(self) -> str:
        """The sentence of one that no model wants."""
        return f"{self.sentence} is in the database and not in the models"

    @property
    def sentence(self) -> str:
        """What it is, in a sentence."""
        name = f"{self.schema}.{self.table}" if self.schema else self.table
        return f"the search index of {name} ({', '.join(self.columns)})"


def find_search(table: Table) -> SearchIndex | None:
    """The index that `table` declares; None if it declares none.

    Raises ConfigurationError for a column that it does not have, or that holds no text.
    """
    names = table.info.get(SEARCH)
    if not names:
        return None
    if isinstance(names, str):
        raise _fault(table, f'write a list of columns, as in {{"{SEARCH}": ["{names}"]}}')
    if not is_migrated(table):
        raise _fault(table, "no migration makes this table, and so none indexes it")
    if f"{table.name}{SUFFIX}" in table.metadata.tables:
        raise _fault(table, f"the table {table.name}{SUFFIX} has the name that the index needs")
    for name in names:
        if name not in table.columns:
            raise _fault(
                table, f"it has no column {name!r}{did_you_mean(name, table.columns.keys())}"
            )
        if not _is_text(table.columns[name].type):
            raise _fault(table, f"{name!r} holds no text")
    return index_of(table, [table.columns[name].name for name in names])


def index_of(table: Table, columns: Sequence[str]) -> SearchIndex:
    """The index of some columns of a table."""
    keys = list(table.primary_key.columns)
    is_number = len(keys) == 1 and isinstance(_stored(keys[0].type), Integer)
    key = tuple(each.name for each in keys)
    return SearchIndex(
        table.name,
        tuple(columns),
        rowid=key[0] if is_number else None,
        key=() if is_number else key,
        schema=table.schema,
    )


def _fault(table: Table, why: str) -> ConfigurationError:
    end = "" if why.endswith("?") else "."
    return ConfigurationError("search-index", f"{SEARCH} in the info of {table.name}: {why}{end}")


def _is_text(kind: TypeEngine[Any]) -> bool:
    stored = _stored(kind)
    return isinstance(stored, String) and not isinstance(stored, Enum)


def _stored(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """What SQLite keeps of a type."""
    found = kind.dialect_impl(_SQLITE)
    return found.impl_instance if isinstance(found, TypeDecorator) else found


def text_of(columns: Sequence[Any]) -> ColumnElement[Any]:
    """The expression of the text in which is searched. One column may be NULL, and is then found by
    nothing; of several, one that is NULL is empty."""
    first, *others = columns
    if not others:
        return first  # type: ignore[no-any-return]  # of whatever kind of column was given
    text: Any = func.coalesce(first, _EMPTY)
    for each in others:
        text = text.concat(_BLANK).concat(func.coalesce(each, _EMPTY))
    return text  # type: ignore[no-any-return]  # as above


def document(columns: Sequence[Any]) -> ColumnElement[Any]:
    """The expression in which PostgreSQL looks, and which its index has to have."""
    if len(columns) == 1 and isinstance(columns[0].type, TSVECTOR):
        return columns[0]  # type: ignore[no-any-return]  # as above
    return func.to_tsvector(CONFIGURATION, text_of(columns), type_=TSVECTOR())


def name_of_index(table: str) -> str:
    """The name of the index on PostgreSQL."""
    return f"ix_{table}{SUFFIX}"


def index_on(table: Table, columns: Sequence[str]) -> Index:
    """The index of PostgreSQL, put on `table`."""
    expression = document([table.columns[name] for name in columns])
    # The configuration looks like a column of no table, and is the first that is found.
    return Index(name_of_index(table.name), expression, postgresql_using="gin", _table=table)
