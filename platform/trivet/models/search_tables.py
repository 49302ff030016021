"""The index of a search on SQLite: a table of FTS5 beside the table, which triggers fill.

It has a copy of the text. FTS5 could read the text from the table itself, but then it has to be
told what a row was before it went, and nobody tells it of a row that ``INSERT OR REPLACE`` takes
away: SQLite fires no trigger for that. A copy is taken out by its number alone, and what is left
behind finds no row. The number is the key, if that is a whole number. Any other key is given one in
a table of keys, because SQLite may number the rows of such a table anew (VACUUM, a dump, a copy by
a migration).
"""
# ruff: noqa: S608  # names are quoted, and the statements have no values

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from sqlalchemy import Connection, bindparam, text

from trivet.models.searches import SUFFIX, SearchIndex

DOCUMENT = "document"
NUMBER = "number"
_TOKENIZER = "unicode61 remove_diacritics 0 categories 'L* M* N*'"
"""Words as PostgreSQL's ``simple`` has them: accents count, and a mark belongs to its letter."""
_UPDATE = re.compile(r'CREATE TRIGGER "(.+)_update" AFTER UPDATE OF (.+) ON "(.+)" BEGIN ')
_TEXTS = text("SELECT name, sql FROM sqlite_master WHERE name IN :names")
_NAME = re.compile(r'"((?:[^"]|"")*)"')


class SearchTable:
    """The parts of an index, and their statements.

    Attributes:
        index: The index.
        name: The name of the table of FTS5.
        keys: The name of the table of keys, which there is for a key that is no whole number.
    """

    def __init__(self, index: SearchIndex) -> None:
        self.index = index
        self.name = index.name
        self.keys = f"{self.name}_keys"

    @cached_property
    def parts(self) -> Mapping[str, str]:
        """The statements that make the parts, by their names, as SQLite keeps them."""
        name, table = _quoted(self.name), _quoted(self.index.table)
        found = {
            self.name: f'CREATE VIRTUAL TABLE {name} USING fts5("{DOCUMENT}", '
            f'tokenize = "{_TOKENIZER}")'
        }
        if self.index.rowid is None:
            keys = ", ".join(self._places)
            found[self.keys] = (
                f'CREATE TABLE {_quoted(self.keys)} ("{NUMBER}" INTEGER PRIMARY KEY, {keys}, '
                f"UNIQUE ({keys}))"
            )
        changed = ", ".join(map(_quoted, (*self.index.keys, *self.index.columns)))
        for event, when, work in (
            ("insert", "INSERT", self._put()),
            ("update", f"UPDATE OF {changed}", [*self._take(), *self._put()]),
            ("delete", "DELETE", self._take()),
        ):
            trigger = f"{self.name}_{event}"
            body = " ".join(f"{each};" for each in work)
            found[trigger] = (
                f"CREATE TRIGGER {_quoted(trigger)} AFTER {when} ON {table} BEGIN {body} END"
            )
        return found

    def _put(self) -> Iterator[str]:
        """What indexes the new row, in whose place an older one may stand."""
        name, document = _quoted(self.name), self._document("new.")
        if self.index.rowid is not None:
            key = f"new.{_quoted(self.index.rowid)}"
            yield f"DELETE FROM {name} WHERE rowid = {key}"
            yield f'INSERT INTO {name} (rowid, "{DOCUMENT}") VALUES ({key}, {document})'
            return
        keys, names = _quoted(self.keys), ", ".join(self._places)
        values = ", ".join(f"new.{_quoted(each)}" for each in self.index.key)
        is_new = self._is_key("new.")
        number = f'SELECT "{NUMBER}" FROM {keys} WHERE {is_new}'
        # Not OR IGNORE: in a trigger the statement outside decides what is done about a conflict.
        yield (f"INSERT INTO {keys} ({names}) SELECT {values} WHERE NOT EXISTS ({number})")
        yield f"DELETE FROM {name} WHERE rowid = ({number})"
        yield f'INSERT INTO {name} (rowid, "{DOCUMENT}") VALUES (({number}), {document})'

    def _take(self) -> Iterator[str]:
        """What takes the old row out."""
        name = _quoted(self.name)
        if self.index.rowid is not None:
            yield f"DELETE FROM {name} WHERE rowid = old.{_quoted(self.index.rowid)}"
            return
        keys, is_old = _quoted(self.keys), self._is_key("old.")
        yield f'DELETE FROM {name} WHERE rowid = (SELECT "{NUMBER}" FROM {keys} WHERE {is_old})'
        yield f"DELETE FROM {keys} WHERE {is_old}"

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns of the table of keys, in the order of the key."""
        return tuple(f"key{at}" for at, _ in enumerate(self.index.key, 1))

    @property
    def _places(self) -> list[str]:
        return [_quoted(each) for each in self.key_columns]

    def _is_key(self, row: str) -> str:
        pairs = zip(self._places, self.index.key, strict=True)
        keys = _quoted(self.keys)
        return " AND ".join(f"{keys}.{place} = {row}{_quoted(each)}" for place, each in pairs)

    def _document(self, row: str) -> str:
        columns = [f"{row}{_quoted(each)}" for each in self.index.columns]
        if len(columns) == 1:
            return columns[0]
        return " || ' ' || ".join(f"coalesce({each}, '')" for each in columns)

    def _fill(self) -> Iterator[str]:
        """What indexes the rows that are there."""
        name, table = _quoted(self.name), _quoted(self.index.table)
        source, number = table, _quoted(self.index.keys[0])
        if self.index.rowid is None:
            keys, names = _quoted(self.keys), ", ".join(map(_quoted, self.index.key))
            yield f"INSERT INTO {keys} ({', '.join(self._places)}) SELECT {names} FROM {table}"
            source = f"{table} JOIN {keys} ON {self._is_key(f'{table}.')}"
            number = f'{keys}."{NUMBER}"'
        yield (
            f'INSERT INTO {name} (rowid, "{DOCUMENT}") SELECT {number}, '
            f"{self._document(f'{table}.')} FROM {source}"
        )

    def create(self, connection: Connection) -> None:
        """Make the index, of the rows that are there. The driver's error says that SQLite was built
        without FTS5."""
        for statement in (*self.parts.values(), *self._fill()):
            connection.exec_driver_sql(statement)

    def drop(self, connection: Connection) -> None:
        """Drop what there is of it."""
        for event in ("insert", "update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {_quoted(f'{self.name}_{event}')}")
        for table in (self.name, self.keys):
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS {_quoted(table)}")

    def is_whole(self, connection: Connection) -> bool:
        """Whether the database has it just as it has to be."""
        return self.parts.items() <= _texts(connection, self.parts).items()

    def is_complete(self, connection: Connection) -> bool:
        """Whether all its parts are there, whatever they say."""
        return self.parts.keys() == _texts(connection, self.parts).keys()

    def is_begun(self, connection: Connection) -> bool:
        """Whether the database has its table, whatever else."""
        return self.name in _texts(connection, [self.name])


_SHADOWS = ("data", "idx", "content", "docsize", "config")


def parts_of_tables(connection: Connection) -> set[str]:
    """The names of the tables that FTS5 keeps for its own, whoever made them, and of those that
    belong to an index of ours."""
    query = text("SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%fts5%'")
    found = {f"{name}_{part}" for name in connection.scalars(query) for part in _SHADOWS}
    for index in read_indexes(connection):
        place = SearchTable(index)
        found |= {place.name, place.keys}
    return found


def read_indexes(connection: Connection) -> Iterator[SearchIndex]:
    """The indexes of the database, as their triggers say. One whose table was renamed is told with
    the name that the table had."""
    query = text("SELECT sql FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    for sql in connection.scalars(query).all():
        matched = _UPDATE.match(sql)
        if matched is None or not matched[1].endswith(SUFFIX):
            continue
        name = _unquoted(matched[1])
        columns = tuple(map(_unquoted, _NAME.findall(matched[2])))
        number = len(columns_of(connection, f"{name}_keys")[1:])
        yield SearchIndex(
            name.removesuffix(SUFFIX),
            columns[number or 1 :],
            rowid=None if number else columns[0],
            key=columns[:number],
        )


def columns_of(connection: Connection, table: str) -> tuple[str, ...]:
    """The names of the columns of a table of SQLite; nothing if it is not there."""
    query = text("SELECT name FROM pragma_table_info(:name)")
    return tuple(connection.scalars(query, {"name": table}))


def _texts(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    query = _TEXTS.bindparams(bindparam("names", list(names), expanding=True))
    return {row.name: row.sql for row in connection.execute(query)}


def _unquoted(name: str) -> str:
    return name.replace('""', '"')


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
