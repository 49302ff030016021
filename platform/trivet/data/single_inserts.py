"""INSERT of one row: a statement that is prepared once, sent past SQLAlchemy's execution.

Most flushes of a request insert one row. What SQLAlchemy does around that statement (it looks up
what was compiled, and makes a context, a cursor and a result) computes more than all the rest of
the flush. Here the statement is the one that SQLAlchemy has compiled, with its processors of values
and its bookkeeping afterwards; only the way to the driver is another.

Whatever is not of one kind every time stays SQLAlchemy's: several rows, expressions of SQL,
defaults that ask for a context or for the database, other connections than those of the event loop,
and everything while somebody listens to statements (`trivet.fixed_statements`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import InstanceState, Mapper, persistence
from sqlalchemy.orm.exc import FlushError
from sqlalchemy.sql import schema
from sqlalchemy.util import await_only

from trivet.data.compiled_read import number_parameters
from trivet.data.session import TrivetSession
from trivet.fixed_statements import Exchanging, find_exchanging

Record = tuple[Any, ...]
"""A row to insert, as SQLAlchemy has it: state, values by attribute, parameters, mapper,
connection, expressions, and whether keys and defaults are all given."""
_Convert = Callable[[Any], Any]
finish: Any = persistence._postfetch  # noqa: SLF001  # what SQLAlchemy does behind its own statement
InsertMany = Callable[[Mapper[Any], Any, Any, Sequence[Record]], bool]
"""Inserts several rows of a table in a flush; False if that is left to SQLAlchemy."""
_known: "WeakKeyDictionary[Any, dict[Any, SingleInsert | None]]" = WeakKeyDictionary()


def insert_directly(insert_many: InsertMany) -> None:
    """Have the flushes of our sessions send an INSERT of one row themselves, where they can;
    `insert_many` sends those of several."""
    emit = persistence._emit_insert_statements  # noqa: SLF001  # pinned by a test; nothing public lies between the rows and their statements
    if not hasattr(emit, "__wrapped__"):
        persistence._emit_insert_statements = _directly(emit, insert_many)  # noqa: SLF001  # as just said


def _directly(emit: Callable[..., Any], insert_many: InsertMany) -> Callable[..., Any]:
    @wraps(emit)
    def emit_directly(
        base: Any, flush: Any, mapper: Any, table: Any, insert: Iterable[Record], **options: Any
    ) -> Any:
        if options or not isinstance(flush.session, TrivetSession):
            return emit(base, flush, mapper, table, insert, **options)
        records = list(insert)
        if len(records) == 1:
            is_done = _insert(base, flush, table, records[0])
        else:
            is_done = bool(records) and insert_many(base, flush, table, records)
        if is_done:
            return None
        return emit(base, flush, mapper, table, records)

    return emit_directly


def new_record(state: InstanceState[Any], engine: Engine) -> Record:
    """The row of an object that no session has, whose class has one table; `engine` stands for its
    connection."""
    mapper, table = state.mapper, state.mapper.local_table
    collect: Any = persistence._collect_insert_commands  # noqa: SLF001  # what a flush makes of an object; pinned by a test
    (record,) = collect(table, [(state, state.dict, mapper, engine)])
    return record  # type: ignore[no-any-return]  # SQLAlchemy's


def _insert(base: Mapper[Any], flush: Any, table: Any, record: Record) -> bool:
    """Insert a row; False if that is left to SQLAlchemy."""
    _, _, parameters, _, connection, expressions, *_ = record
    driver = None if expressions else find_exchanging(connection)
    if driver is None or connection.get_execution_options().get("schema_translate_map"):
        return False
    made = find_single(base, table, record)
    if made is None:
        return False
    complete = made.complete(parameters)
    made.settle(table, record, flush, complete, made.execute(connection, driver, complete))
    return True


def find_single(base: Mapper[Any], table: Any, record: Record) -> "SingleInsert | None":
    """The statement for rows like that of `record`, made once; None if SQLAlchemy has to send
    them."""
    _, _, parameters, mapper, connection, _, *given = record
    kind = (table, mapper, frozenset(parameters), *given)
    known = _known.setdefault(base, {})
    if kind not in known:
        known[kind] = _find(mapper, table, connection.dialect, record)
    return known[kind]


def _find(mapper: Any, table: Any, dialect: Dialect, record: Record) -> "SingleInsert | None":
    """The statement for rows like that of `record`, as SQLAlchemy would write it."""
    has_all_keys, has_all_defaults = record[6:]
    if not (has_all_defaults or (dialect.insert_returning and table.implicit_returning)):
        return None
    statement = table.insert()
    if not (has_all_keys and has_all_defaults):
        wanted = () if has_all_defaults else mapper._server_default_cols[table]  # noqa: SLF001  # those that SQLAlchemy asks for
        version = () if mapper.version_id_col is None else (mapper.version_id_col,)
        if wanted or version:
            statement = statement.return_defaults(*wanted, *version)
    compiled = statement.compile(dialect=dialect, column_keys=sorted(record[2]))
    defaults: dict[Any, Callable[[], Any]] = {}
    for column in compiled.insert_prefetch:
        make = maker_of(column.default)
        if make is None:
            return None
        defaults[column] = make
    if not (compiled.effective_returning or has_all_keys):
        return None
    key = [(each, mapper.get_property_by_column(each).key) for each in table.primary_key]
    made = SingleInsert(compiled, dialect, defaults, key)
    return made if made.is_complete_with(record[2]) else None


def maker_of(default: Any) -> Callable[[], Any] | None:
    """What gives the value of a default in Python; None if it is none, or asks for a context."""
    if default is None or default.is_sequence or default.is_clause_element:
        return None
    if default.is_scalar:
        return lambda: default.arg
    # A function without arguments is called by one of SQLAlchemy's that drops the context.
    code = getattr(default.arg, "__code__", None)
    is_dropped = code is not None and code.co_filename == schema.__file__
    return (lambda: default.arg(None)) if is_dropped else None


class SingleInsert:
    """An INSERT of one row. To SQLAlchemy's bookkeeping it is its own result and context.

    Attributes:
        compiled: The statement as SQLAlchemy has compiled it.
        query: Its text with ``$1``, ``$2``, … for its parameters.
    """

    isinsert = True
    executemany = False

    def __init__(
        self,
        compiled: Any,
        dialect: Dialect,
        defaults: Mapping[Any, Callable[[], Any]],
        key: Sequence[tuple[Any, str]],
    ) -> None:
        self.compiled = compiled
        self._key = key
        self.query, names = number_parameters(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}
        self._parameters: Sequence[tuple[str, _Convert | None]] = [
            (binds[name].key, binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in names
        ]
        self.defaults = [(column.key, make) for column, make in defaults.items()]
        self._returned = list(compiled.effective_returning)
        self._places = {column: place for place, column in enumerate(self._returned)}
        self._dialect = dialect
        self._oids: Sequence[int] = ()
        self._reading: Sequence[tuple[int, _Convert]] = ()

    @property
    def context(self) -> "SingleInsert":
        """Where SQLAlchemy looks for `compiled`."""
        return self

    def is_complete_with(self, parameters: Mapping[str, Any]) -> bool:
        """Whether every parameter of the statement has a value."""
        known = {*parameters, *(key for key, _ in self.defaults)}
        return all(key in known for key, _ in self._parameters)

    def complete(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """`parameters` with the defaults."""
        complete = dict(parameters)
        for key, make in self.defaults:
            complete[key] = make()
        return complete

    def in_order(self, parameters: Mapping[str, Any]) -> list[Any]:
        """`parameters` as the driver takes them, and as `query` numbers them."""
        return [
            parameters[key] if convert is None else convert(parameters[key])
            for key, convert in self._parameters
        ]

    def execute(
        self, connection: Connection, driver: Exchanging, parameters: Mapping[str, Any]
    ) -> Sequence[Any] | None:
        """Send it, and return the row of its RETURNING, if it has one."""
        compiled = self.compiled
        try:
            found = await_only(driver.exchange(self.query, self.in_order(parameters)))
        except BaseException as error:  # noqa: BLE001  # a cancellation too ends the connection
            failed: Any = FailedStatement(compiled, [parameters], self._dialect)
            # What a failed cursor would do: SQLAlchemy's error, its listeners, and its pool.
            connection._handle_dbapi_exception(error, compiled.string, parameters, None, failed)  # noqa: SLF001  # pinned by a test
        return self.read(*found)

    def read(self, rows: Sequence[Sequence[Any]], oids: Sequence[int]) -> Sequence[Any] | None:
        """The row of its RETURNING, if it has one. Raises FlushError if that did not come."""
        if not self._returned:
            return None
        if not rows:
            raise FlushError(
                f"An INSERT into {self.compiled.statement.table} returned no row: a trigger of "
                "the database has prevented it."
            )
        return self._read(rows[0], oids)

    def settle(
        self,
        table: Any,
        record: Record,
        flush: Any,
        parameters: dict[str, Any],
        row: Sequence[Any] | None,
    ) -> None:
        """Let the object of `record` know what the database has given its row."""
        state, values, _, mapper, *_ = record
        for column, name in self._key:
            if values.get(name) is None:
                place = self._places.get(column)
                known = parameters.get(column.key)
                values[name] = known if row is None or place is None else row[place]
        finish(mapper, flush, table, state, values, self, parameters, {}, False, row)

    def _read(self, row: Sequence[Any], oids: Sequence[int]) -> Sequence[Any]:
        if oids != self._oids:
            kinds = [column.type.dialect_impl(self._dialect) for column in self._returned]
            self._reading = [
                (place, convert)
                for place, (kind, oid) in enumerate(zip(kinds, oids, strict=True))
                if (convert := kind.result_processor(self._dialect, oid)) is not None
            ]
            self._oids = oids
        if not self._reading:
            return row
        changed = list(row)
        for place, convert in self._reading:
            changed[place] = convert(changed[place])
        return changed


class FailedStatement:
    """The context of a statement that failed, as far as the listeners of errors look at it."""

    executemany = False

    def __init__(self, compiled: Any, rows: Sequence[Mapping[str, Any]], dialect: Dialect) -> None:
        self.compiled = compiled
        self.compiled_parameters = rows
        self.dialect = dialect

    def handle_dbapi_exception(self, _error: BaseException) -> None:
        """There is nothing to clean up."""
