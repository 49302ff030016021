"""What the database refused, in the terms of the mapped classes.

A driver names a constraint, a column, or (SQLite, for foreign keys) nothing at all. At the moment
of the failure the statement and its parameters are at hand, and on SQLite the transaction still
answers questions. So it is found out there (`note_violation`), and noted at the driver's exception,
which carries it through whatever wraps it. PostgreSQL's diagnosis is read from its fields alone:
its sentences come in the server's language.

A sentence holds a value only if the failed statement brought it: never one of another row.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, Connection, ForeignKeyConstraint, Table, and_, exists, select
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.sql.dml import Delete, Insert

from trivet.capture.sql import read_statement
from trivet.data.constraints import columns_of_constraint, find_column, find_table, rule_of
from trivet.data.fitting import why_unfit
from trivet.errors import Conflict, Invalid, TrivetError, errors_at
from trivet.models.labels import attribute_of, find_mapper, label_of, noun_of, with_article

_NOTE = "trivet_violation"
"""The attribute of a driver's exception that holds its `Violation`."""
VALUE_LENGTH = 60
"""Characters of a value that a sentence still repeats."""
ROWS_ASKED = 500
"""Rows of a failed statement whose references are looked up, one by one."""

Kind = Literal["unique", "missing", "referred", "null", "check", "overlap", "value"]
Row = Mapping[str, Any]
_Columns = tuple["Column[Any]", ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """`columns` of `table` were refused. `detail` is what only the failure knows: the value that
    refers to nothing, the rule of a check, why a value does not fit. `other` is the table that
    is referred to, or that refers."""

    kind: Kind
    table: Table
    columns: _Columns
    detail: str = ""
    other: Table | None = None

    @property
    def subject(self) -> type[Any] | None:
        """The mapped class of the table."""
        mapper = find_mapper(self.table)
        return None if mapper is None else mapper.class_

    def error(self) -> TrivetError:
        """The public meaning: 409 where the data refuses, 422 where the value does."""
        sentence = self._sentence()
        detail = f"{sentence[:1].upper()}{sentence[1:]}."
        error: TrivetError
        if self.kind == "referred":
            error = Conflict("referred-to", detail)
        else:
            errors = errors_at(map(attribute_of, self.columns), sentence)
            given: dict[str, Any] = {"errors": errors} if errors else {}
            is_conflict = self.kind in ("unique", "missing", "overlap")
            if is_conflict:
                error = Conflict("integrity", detail, **given)
            else:
                error = Invalid("bad-value", detail, **given)
        error.subject = self.subject
        return error

    def _sentence(self) -> str:
        names = " and ".join(label_of(column) for column in self.columns)
        match self.kind:
            case "unique":
                return f"there is already {with_article(noun_of(self.table))} with this {names}"
            case "overlap":
                return f"this {names} is in conflict with another {noun_of(self.table)}"
            case "missing":
                return f"there is no {self._parent()} {self.detail}".strip()
            case "referred":
                other = "something" if self.other is None else f"{noun_of(self.other)}s"
                return f"{other} still refer to this"
            case "null":
                return "a value is needed"
            case "check":
                return f"{names or noun_of(self.table)} must satisfy: {self.detail}"
            case "value":
                return self.detail

    def _parent(self) -> str:
        if self.other is not None and find_mapper(self.other) is not None:
            return noun_of(self.other)
        return " and ".join(label_of(column) for column in self.columns)


def find_violation(error: BaseException | None) -> Violation | None:
    """The violation behind `error`: noted at it or at what it was raised from, or told by
    PostgreSQL's own fields, where no statement of ours failed (a deferred constraint)."""
    seen: list[BaseException] = []  # the driver's error and SQLAlchemy's may each be the other's
    while error is not None and error not in seen:
        seen.append(error)
        noted: Violation | None = getattr(error, _NOTE, None)
        if noted is None and getattr(error, "diag", None) is not None:
            noted = _read_postgresql(error, None, ())
        if noted is not None:
            return noted
        error = getattr(error, "orig", None) or error.__cause__
    return None


def note_violation(context: ExceptionContext) -> None:
    """Note at a failure what it violated. A listener of ``handle_error`` of an engine."""
    error = context.original_exception
    violation = _find(context, error)
    if violation is not None:
        setattr(error, _NOTE, violation)


def _find(context: ExceptionContext, error: BaseException) -> Violation | None:
    kinds = {kind.__name__ for kind in type(error).__mro__}  # PEP 249 gives the names
    if context.execution_context is None:
        return _refused_by_type(context) if not kinds & {"Error", "Warning"} else None
    statement: Any = getattr(
        getattr(context.execution_context, "compiled", None), "statement", None
    )
    table = getattr(statement, "table", None)
    rows: Sequence[Row] = getattr(context.execution_context, "compiled_parameters", None) or ()
    if not isinstance(table, Table):
        return None
    if kinds & {"DataError", "OverflowError"}:
        return _unfit(table, rows)
    if "IntegrityError" not in kinds:
        return None
    if getattr(error, "diag", None) is not None:
        return _read_postgresql(error, statement, rows)
    assert context.connection is not None
    return _read_sqlite(str(error), context.connection, statement, rows)


_SQLITE = re.compile(r"(UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (.*))?", re.DOTALL)


def _read_sqlite(
    message: str, connection: Connection, statement: Any, rows: Sequence[Row]
) -> Violation | None:
    found = _SQLITE.match(message)
    if found is None:
        return None
    table, (kind, what) = statement.table, found.groups()
    match kind:
        case "UNIQUE":
            index = what.partition("index '")[2].rstrip("'")
            names = [part.rpartition(".")[2] for part in what.split(", ")]
            columns = columns_of_constraint(table, index) if index else _named(table, names)
            return Violation("unique", table, columns)
        case "NOT NULL":
            return Violation("null", table, _named(table, [what.rpartition(".")[2]]))
        case "CHECK":
            rule = rule_of(table, what)
            return Violation("check", table, rule.columns, rule.text)
        case _:
            return _find_reference(connection, statement, rows)


def _named(table: Table, names: Sequence[str]) -> _Columns:
    found = (find_column(table, name) for name in names)
    return tuple(column for column in found if column is not None)


_SQLSTATES: dict[str, Kind] = {
    "23505": "unique",
    "23502": "null",
    "23514": "check",
    "23P01": "overlap",
    "23503": "missing",
    "23001": "referred",  # restrict_violation
}
_KEY = re.compile(r"\((?P<columns>.*?)\)=\((?P<values>.*)\)", re.DOTALL)
"""Key (a, b)=(1, 2) …, in whatever language the rest is."""


def _read_postgresql(error: Any, statement: Any, rows: Sequence[Row]) -> Violation | None:
    diagnosis = error.diag
    kind = _SQLSTATES.get(diagnosis.sqlstate or "")
    written = None if statement is None else statement.table
    table = find_table(diagnosis.table_name, diagnosis.schema_name, written)
    if kind is None or table is None:
        return None
    name = diagnosis.constraint_name or ""
    key = _KEY.search(diagnosis.message_detail or "")
    keyed = _named(table, key["columns"].split(", ")) if key else ()
    match kind:
        case "null":
            return Violation("null", table, _named(table, [diagnosis.column_name or ""]))
        case "check":
            rule = rule_of(table, name)
            return Violation("check", table, rule.columns, rule.text)
        case "unique" | "overlap":
            return Violation(kind, table, columns_of_constraint(table, name) or keyed)
        case _:
            reference = _reference_named(table, name, keyed)
            if reference is None:
                return None
            return _broken(reference, kind, statement, rows, key)


def _broken(
    reference: ForeignKeyConstraint,
    kind: Kind,
    statement: Any,
    rows: Sequence[Row],
    key: re.Match[str] | None,
) -> Violation:
    keyed = _named(reference.table, key["columns"].split(", ")) if key else ()
    if _is_of_parent(reference, kind, statement, rows, keyed):
        parent = reference.referred_table
        columns = tuple(parent.primary_key.columns)
        return Violation("referred", parent, columns, other=reference.table)
    columns = tuple(reference.columns)
    value = key["values"] if key else ""
    said = _say(value, columns)
    return Violation("missing", reference.table, columns, said, reference.referred_table)


def _reference_named(table: Table, name: str, keyed: _Columns) -> ForeignKeyConstraint | None:
    every = list(table.foreign_key_constraints)
    named = [each for each in every if each.name == name]
    unnamed = [each for each in every if tuple(each.columns) == keyed]
    return next(iter([*named, *unnamed]), None)


def _is_of_parent(
    reference: ForeignKeyConstraint,
    kind: Kind,
    statement: Any,
    rows: Sequence[Row],
    keyed: _Columns,
) -> bool:
    """Whether a row that is referred to was to go, and not one that refers to come: PostgreSQL
    has one code for both."""
    if kind == "referred" or isinstance(statement, Delete):
        return True
    if statement is None:  # found at the commit; the key is named by the columns of its side
        return bool(keyed) and keyed != tuple(reference.columns)
    if isinstance(statement, Insert):
        return False
    sets_reference = any(column.key in row for row in rows[:1] for column in reference.columns)
    return statement.table is not reference.table or not sets_reference


def _find_reference(
    connection: Connection, statement: Any, rows: Sequence[Row]
) -> Violation | None:
    """SQLite says of a foreign key that it failed, and nothing else. Its transaction is as it was
    before the statement, so the parents can be asked, and the children."""
    found = [] if isinstance(statement, Delete) else _missing(connection, statement.table, rows)
    if isinstance(statement, Insert):
        return next(iter(found), None)
    return next(iter([*found, *_referring(connection, statement.table, rows)]), None)


def _missing(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[Violation]:
    for reference in _in_order(table):
        columns = tuple(reference.columns)
        sent = dict.fromkeys(
            tuple(row[column.key] for column in columns)
            for row in rows[:ROWS_ASKED]
            if all(row.get(column.key) is not None for column in columns)
        )
        targets = [element.column for element in reference.elements]
        for values in sent:
            same = and_(*(c == value for c, value in zip(targets, values, strict=True)))
            if not connection.scalar(select(exists().where(same))):
                said = _say(", ".join(map(str, values)), columns)
                yield Violation("missing", table, columns, said, reference.referred_table)


def _referring(connection: Connection, table: Table, rows: Sequence[Row]) -> Iterator[Violation]:
    own = tuple(table.primary_key.columns)
    children = (child for child in table.metadata.sorted_tables)
    references = [r for child in children for r in _in_order(child) if r.referred_table is table]
    for row in rows[:ROWS_ASKED]:
        given = [row.get(column.key, row.get(f"{table.name}_{column.key}")) for column in own]
        for reference in references:
            child = reference.table.alias()
            pairs = [
                child.c[element.parent.key] == element.column for element in reference.elements
            ]
            same = [column == value for column, value in zip(own, given, strict=True)]
            if connection.scalar(select(exists().where(*pairs, *same))):
                yield Violation("referred", table, own, other=reference.table)


def _in_order(table: Table) -> list[ForeignKeyConstraint]:
    return sorted(table.foreign_key_constraints, key=lambda each: [c.name for c in each.columns])


def _unfit(table: Table, rows: Sequence[Row]) -> Violation | None:
    for row in rows:
        for column in table.columns:
            why = why_unfit(column, row.get(column.key))
            if why is not None:
                return Violation("value", table, (column,), why)
    return None


def _refused_by_type(context: ExceptionContext) -> Violation | None:
    """A value that its column's type refused before anything was sent."""
    writes = read_statement(context.statement or "").writes
    table = find_table(writes[0].table, None, None) if writes else None
    given: Any = context.parameters or ()
    rows = [given] if isinstance(given, Mapping) else given
    if table is None:
        return None
    for row in rows:
        for column in table.columns if isinstance(row, Mapping) else ():
            if column.key in row and _refuses(context, column, row[column.key]):
                why = str(context.original_exception)
                return Violation("value", table, (column,), why)
    return None


def _refuses(context: ExceptionContext, column: "Column[Any]", value: Any) -> bool:
    process = column.type.dialect_impl(context.dialect).bind_processor(context.dialect)
    try:
        if process is not None:
            process(value)
    except Exception:  # noqa: BLE001  # whatever it is, this column has raised it
        return True
    return False


def _say(value: str, columns: _Columns) -> str:
    if not value or len(value) > VALUE_LENGTH:
        return ""
    try:
        is_text = len(columns) == 1 and columns[0].type.python_type is str
    except NotImplementedError:
        is_text = False
    return f"'{value}'" if is_text else value
