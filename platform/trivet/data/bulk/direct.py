"""Many rows of a flush, sent past SQLAlchemy's execution as `trivet.data.single_inserts` sends one.

Where SQLAlchemy executes a statement for many rows, it makes for each of them what it makes for
one: a dictionary of parameters, defaults, a place for its key. Here the statement is compiled once
for a class and a set of columns, and each column is turned into an array at once. What comes back
is handed to SQLAlchemy's own bookkeeping.

Rows that are not alike, values that have no text (`columns`) and all that `single_inserts` leaves
to SQLAlchemy are left to it here too; `inserts` and `updates` then send what it executes.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, and_, bindparam
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.exc import FlushError, StaleDataError
from sqlalchemy.util import await_only

from trivet.data.bulk.columns import PARAMETER, array_of, cast_to_column, numbered, unnested
from trivet.data.bulk.updates import FEWEST, compose_update
from trivet.data.single_inserts import FailedStatement, Record, find_single, finish, maker_of
from trivet.fixed_statements import find_exchanging

MOST = 1000
"""Rows of one statement."""

_GIVEN, _CHANGED = "trivet_given", "trivet_changed"
_known: "WeakKeyDictionary[Any, dict[Any, Many | None]]" = WeakKeyDictionary()

Row = dict[str, Any]


def insert_many(base: Mapper[Any], flush: Any, table: Any, records: Sequence[Record]) -> bool:
    """Insert rows; False if that is left to SQLAlchemy."""
    parts = _parts_of(base, table, records, _find_insert)
    if parts is None:
        return False
    mapper, connection = records[0][3], records[0][4]
    key = mapper.get_property_by_column(table.primary_key.columns[0]).key
    for many, part, rows, arrays in parts:
        # Numbered by the database in the order of the rows.
        keys = sorted(given for (given,) in many.execute(connection, arrays, rows))
        if many.returns_key and len(keys) != len(part):
            raise FlushError(
                f"An INSERT of {len(part)} rows into {table} returned {len(keys)}: a trigger of "
                "the database has prevented the others."
            )
        for place, (record, row) in enumerate(zip(part, rows, strict=True)):
            if many.returns_key:
                record[1][key] = keys[place]
            finish(mapper, flush, table, record[0], record[1], many, row, {}, False, None)
    return True


def update_many(base: Mapper[Any], flush: Any, table: Any, records: Sequence[Record]) -> bool:
    """Update rows, each in its version; False if that is left to SQLAlchemy.

    Raises:
        StaleDataError: A row is gone, or has another version.
    """
    parts = _parts_of(base, table, records, _find_update)
    if parts is None:
        return False
    mapper, connection = records[0][3], records[0][4]
    for many, part, rows, arrays in parts:
        ((count,),) = many.execute(connection, arrays, rows)
        if count != len(part):
            raise StaleDataError(
                f"UPDATE statement on table '{table.description}' expected to update {len(part)} "
                f"row(s); {count} were matched."
            )
        for record, row in zip(part, rows, strict=True):
            finish(mapper, flush, table, record[0], record[1], many, row, {}, True, None)
    return True


Part = tuple["Many", Sequence[Record], Sequence[Row], Sequence[str]]


def _parts_of(
    base: Mapper[Any],
    table: Any,
    records: Sequence[Record],
    find: Callable[[Mapper[Any], Any, Record], "Many | None"],
) -> list[Part] | None:
    """The statements for `records`, with their rows and arrays; None if they cannot all be sent."""
    first = records[0]
    _, _, parameters, mapper, connection, _, *given = first
    if len(records) < FEWEST or not _are_alike(records) or find_exchanging(connection) is None:
        return None
    if connection.get_execution_options().get("schema_translate_map"):
        return None
    kind = (find, table, mapper, frozenset(parameters), *given)
    known = _known.setdefault(base, {})
    if kind not in known:
        known[kind] = find(base, table, first)
    many = known[kind]
    if many is None:
        return None
    parts: list[Part] = []
    for start in range(0, len(records), MOST):
        part = records[start : start + MOST]
        rows = many.complete([record[2] for record in part])
        arrays = many.arrays(rows)
        if arrays is None:
            return None
        parts.append((many, part, rows, arrays))
    return parts


def _are_alike(records: Sequence[Record]) -> bool:
    """Whether all records are of one class, set the same columns, and have values for them."""
    _, _, parameters, mapper, connection, _, *given = records[0]
    names = parameters.keys()
    return all(
        not record[5]
        and record[2].keys() == names
        and record[3] is mapper
        and record[4] is connection
        and record[6:] == tuple(given)
        for record in records
    )


def _find_insert(base: Mapper[Any], table: Any, record: Record) -> "Many | None":
    single = find_single(base, table, record)
    if single is None:
        return None
    compiled = single.compiled
    returned = list(compiled.effective_returning)
    if returned and (len(returned) > 1 or not _is_numbered(returned[0], table)):
        return None
    text = _compose_insert(compiled)
    if text is None:
        return None
    return Many(compiled, text, single.defaults, returns_key=bool(returned))


def _is_numbered(column: Any, table: Any) -> bool:
    """Whether `column` is the whole key of `table`, and the database numbers it."""
    return column is table.autoincrement_column and len(table.primary_key) == 1


def _compose_insert(compiled: Any) -> str | None:
    """The INSERT of many rows that does what `compiled` does for one."""
    head, is_there, tail = compiled.string.partition(" VALUES (")
    values, _, returning = tail.rpartition(") RETURNING ")
    if not compiled.effective_returning:
        values, returning = tail.removesuffix(")"), ""
    if not is_there or "%%" in compiled.string or compiled.escaped_bind_names:
        return None
    names = list(dict.fromkeys(PARAMETER.findall(values)))
    if not names:
        return None
    places = {name: f"{_GIVEN}.p{number}" for number, name in enumerate(names)}
    columns = f"{numbered(names)}, number"
    return (
        f"{head} SELECT {cast_to_column(values, places, compiled)} "  # noqa: S608  # of the text of a statement
        f"FROM {unnested(names)} WITH ORDINALITY AS {_GIVEN} ({columns}) ORDER BY {_GIVEN}.number"
        + (f" RETURNING {returning}" if returning else "")
    )


def _find_update(_base: Mapper[Any], table: Any, record: Record) -> "Many | None":
    """As SQLAlchemy writes it: `_label` names the parameters of the condition."""
    _, _, parameters, mapper, connection, _, has_defaults, has_keys = record
    if not (has_defaults and has_keys):
        return None
    version = mapper.version_id_col
    found = [
        column == bindparam(column._label, type_=column.type)  # noqa: SLF001  # pinned by a test
        for column in (*table.primary_key, version)
    ]
    statement = table.update().where(and_(*found))
    compiled = statement.compile(dialect=connection.dialect, column_keys=sorted(parameters))
    makers = [(column.key, maker_of(column.onupdate)) for column in compiled.update_prefetch]
    defaults = [(key, make) for key, make in makers if make is not None]
    text = compose_update(compiled.string, compiled)
    if text is None or "%%" in compiled.string or len(defaults) < len(makers):
        return None
    given, change = text
    counted = f"{_CHANGED} AS ({change} RETURNING 1) SELECT count(*) FROM {_CHANGED}"  # noqa: S608  # as above
    return Many(compiled, f"{given}, {counted}", defaults, returns_key=False)


class Many:
    """A statement for many rows. To SQLAlchemy's bookkeeping it is its own result and context.

    Attributes:
        compiled: The statement for one row, as SQLAlchemy has compiled it.
        returns_key: Whether it returns the keys that the database has numbered.
    """

    executemany = True

    def __init__(
        self,
        compiled: Any,
        text: str,
        defaults: Sequence[tuple[str, Callable[[], Any]]],
        *,
        returns_key: bool,
    ) -> None:
        self.compiled = compiled
        self.returns_key = returns_key
        self.isinsert = bool(compiled.isinsert)
        self._text = text
        self._defaults = defaults
        dialect: Dialect = compiled.dialect
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        names = PARAMETER.findall(text)
        self._columns = [
            (bind.key, bind.type, bind.type.dialect_impl(dialect).bind_processor(dialect))
            for bind in (binds[name] for name in names)
        ]
        numbers = iter(range(1, len(names) + 1))
        self._query = PARAMETER.sub(lambda _: f"${next(numbers)}", text).encode()

    @property
    def context(self) -> "Many":
        """Where SQLAlchemy looks for `compiled`."""
        return self

    def complete(self, rows: Sequence[Mapping[str, Any]]) -> list[Row]:
        """`rows` with their defaults."""
        made = [dict(row) for row in rows]
        for key, make in self._defaults:
            for row in made:
                row[key] = make()
        return made

    def arrays(self, rows: Sequence[Row]) -> list[str] | None:
        """The parameters of the statement; None if a value has no text."""
        arrays: list[str] = []
        for key, kind, convert in self._columns:
            values = [row[key] for row in rows]
            if convert is not None:
                values = list(map(convert, values))
            array = array_of(values, kind, self.compiled.dialect)
            if array is None:
                return None
            arrays.append(array)
        return arrays

    def execute(
        self, connection: Connection, arrays: Sequence[str], rows: Sequence[Row]
    ) -> Sequence[Any]:
        """Send it, and return its rows; `rows` are told to those who look at errors."""
        driver = find_exchanging(connection)
        assert driver is not None
        try:
            return await_only(driver.exchange(self._query, arrays))[0]
        except BaseException as error:  # noqa: BLE001  # a cancellation too ends the connection
            failed: Any = FailedStatement(self.compiled, rows, self.compiled.dialect)
            # What a failed cursor would do: SQLAlchemy's error, its listeners, and its pool.
            connection._handle_dbapi_exception(error, self._text, rows, None, failed)  # noqa: SLF001  # pinned by a test
