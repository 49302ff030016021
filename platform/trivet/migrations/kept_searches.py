"""The indexes of searches on SQLite, kept through revisions that know nothing of them.

SQLite changes a table by a copy that takes its place, and the triggers go with the old one: what
is written from then on would not be indexed. So behind each revision the triggers that are gone are
made again, and the rows are indexed anew. An index goes with its table, and with a column that it
has, and takes the new name of a table that was renamed.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from trivet.models.search_tables import SearchTable, columns_of, read_indexes
from trivet.models.searches import SearchIndex

_PLACE = text("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger' AND name = :name")


class KeptSearches:
    """Looks behind each revision of a run after the indexes that were there before."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        was_open = connection.in_transaction()
        self._before = self._read()
        if not was_open:
            connection.rollback()  # each revision has a transaction of its own

    def look(self, *_: Any, **__: Any) -> None:
        """Alembic calls it behind each revision, in its transaction."""
        for index in self._before:
            self._keep(index)
        self._before = self._read()

    def _read(self) -> list[SearchIndex]:
        is_sqlite = self._connection.dialect.name == "sqlite"
        return list(read_indexes(self._connection)) if is_sqlite else []

    def _keep(self, index: SearchIndex) -> None:
        place = SearchTable(index)
        if not place.is_begun(self._connection):
            return
        given = {"name": f"{place.name}_update"}
        table = self._connection.scalar(_PLACE, given) or index.table
        if table == index.table and place.is_complete(self._connection):
            return
        place.drop(self._connection)
        there = columns_of(self._connection, table)
        if {*index.keys, *index.columns} <= {*there}:
            SearchTable(replace(index, table=table)).create(self._connection)
