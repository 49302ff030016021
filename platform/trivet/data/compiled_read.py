"""Queries that are compiled once and asked again and again.

SQLAlchemy takes some 300 µs to execute the smallest statement on the event loop, most of it for
what a query whose text never changes does not need: looking up what was compiled, an execution
context, a result, a greenlet around all of it. Where a unit asks nothing but one such query, it is
sent as a prepared statement through psycopg (`trivet.data.postgresql_reads`); everywhere else, in a
transaction, on a replica, on SQLite, behind a pooler, it is executed as any other statement. Both
ways give the same rows.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from trivet.data.violations import mark_sending

Rows = Sequence[Sequence[Any]]
_Convert = Callable[[Any], Any]

_PARAMETER = re.compile(r"%%|%\((.+?)\)s")


class CompiledRead:
    """A query of Core's, with a ``bindparam`` for each value that changes.

    Args:
        statement: A SELECT of columns. With a parameter that expands (``IN``) it is executed as any
            other, because its text changes with each list.

    A value in the statement itself is a constant of its text, the same for everybody. Whatever
    belongs to one caller is a parameter without a value, and has to be handed over each time.
    """

    def __init__(self, statement: "Select[Any]") -> None:
        self.statement = statement
        self._on_wire: WireQuery | None = None
        self._is_fixed = True

    def rows(self, db: Session, values: Mapping[str, Any]) -> Rows:
        """Ask within the transaction of `db`."""
        return db.connection().execute(self.statement, values).all()

    def on_wire(self, dialect: Dialect) -> "WireQuery | None":
        """What is sent to PostgreSQL, made for the first dialect, for a process has one; None if
        the text is not always the same."""
        if self._on_wire is None and self._is_fixed:
            compiled: Any = self.statement.compile(dialect=dialect)
            self._is_fixed = not any(each.expanding for each in compiled.binds.values())
            self._on_wire = WireQuery(self.statement, compiled, dialect) if self._is_fixed else None
        return self._on_wire


class WireQuery:
    """A query in the words of PostgreSQL's protocol.

    Attributes:
        text: The statement, with ``$1``, ``$2``, … for its parameters.
    """

    def __init__(self, statement: "Select[Any]", compiled: Any, dialect: Dialect) -> None:
        self.text, names = number_parameters(compiled)
        # A parameter without a name of its own is known by its key, as SQLAlchemy knows it.
        keys = {name: bind.key for bind, name in compiled.bind_names.items()}
        self._names = [(name, keys[name]) for name in names]
        # What has to be handed over is in none of them: nobody gets what another one gave.
        required = {name for bind, name in compiled.bind_names.items() if bind.required}
        self._constants: Mapping[str, Any] = {
            name: value for name, value in compiled.params.items() if name not in required
        }
        self._binding: Mapping[str, _Convert] = {
            name: convert
            for name, bind in compiled.binds.items()
            if (convert := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        self._types = [column.type.dialect_impl(dialect) for column in statement.selected_columns]
        self._dialect = dialect
        self._oids: Sequence[int] = ()
        self._reading: Sequence[tuple[int, _Convert]] = ()

    def parameters(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """The parameters in their order, as the driver takes them.

        Raises:
            InvalidRequestError: One that has no value of its own was not handed over.
        """
        found: list[Any] = []
        for name, key in self._names:
            if key in values:
                value = values[key]
            elif name in values:
                value = values[name]
            elif name in self._constants:
                value = self._constants[name]
            else:
                raise InvalidRequestError(f"A value is required for bind parameter {key!r}")
            convert = self._binding.get(name)
            found.append(value if convert is None else _converted(convert, value))
        return found

    def read(self, rows: Sequence[tuple[Any, ...]], oids: Sequence[int]) -> Rows:
        """Rows of the driver, with the values that SQLAlchemy would make of them.

        Args:
            rows: As psycopg reads them.
            oids: The types of their columns, as the server calls them.
        """
        if oids != self._oids:
            self._learn(oids)
        if not self._reading:
            return rows
        changed = [list(row) for row in rows]
        for place, convert in self._reading:
            for row in changed:
                row[place] = convert(row[place])
        return changed

    def _learn(self, oids: Sequence[int]) -> None:
        found: list[tuple[int, _Convert]] = []
        for place, (kind, oid) in enumerate(zip(self._types, oids, strict=True)):
            convert = kind.result_processor(self._dialect, oid)
            if convert is not None:
                found.append((place, convert))
        self._oids, self._reading = oids, found


def _converted(convert: _Convert, value: Any) -> Any:
    try:
        return convert(value)
    except Exception as error:
        mark_sending(error)  # SQLAlchemy, which would tell its listeners, is passed by here
        raise


def number_parameters(compiled: Any) -> tuple[bytes, list[str]]:
    """The text of a compiled statement with ``$1``, ``$2``, …, and their names."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%"
        names.append(found[1])
        return f"${len(names)}"

    text = _PARAMETER.sub(number, compiled.string).encode()
    given = {escaped: name for name, escaped in compiled.escaped_bind_names.items()}
    return text, [given.get(name, name) for name in names]
