"""The refusals of the database, in the terms of the mapped classes.

A driver names a constraint, a column, or (SQLite, for foreign keys) nothing at all. At the moment
of the failure the statement and its parameters are known, and SQLite's transaction can still be
queried. So the violation is found there (`note_violation`), and noted at the driver's exception,
which stays reachable however it is wrapped. Only the fields of PostgreSQL's diagnosis are read,
because its sentences are in the server's language.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BinaryExpression, BindParameter, Column, Table
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.sql import visitors

from trivet.capture.sql import read_statement
from trivet.data.constraints import find_table
from trivet.data.fitting import why_unfit
from trivet.data.postgresql_violations import read_postgresql
from trivet.data.sqlite_violations import read_sqlite
from trivet.data.violation import Row, Violation

_NOTE = "trivet_violation"
"""The attribute of a driver's exception that holds its `Violation`."""
_SENDING = "trivet_sending"
"""The mark of an exception that came of sending a statement."""


def find_violation(error: BaseException | None) -> Violation | None:
    """The violation behind `error`: noted at it or at its cause, or read from PostgreSQL's fields
    if no statement of ours failed (a deferred constraint)."""
    seen: list[BaseException] = []  # the driver's error and SQLAlchemy's may each be the other's
    while error is not None and error not in seen:
        seen.append(error)
        noted: Violation | None = getattr(error, _NOTE, None)
        if noted is None and getattr(error, "diag", None) is not None:
            noted = read_postgresql(error, None, ())
        if noted is not None:
            return noted
        error = getattr(error, "orig", None) or error.__cause__
    return None


def is_of_sending(error: BaseException) -> bool:
    """Whether `error` arose when a statement was sent, in the database, its driver or a type."""
    return getattr(error, _SENDING, False)


def mark_sending(error: BaseException) -> None:
    """Note that `error` arose when a statement was sent."""
    setattr(error, _SENDING, True)


def note_violation(context: ExceptionContext) -> None:
    """Note the violation at its failure. A listener of ``handle_error`` of an engine."""
    error = context.original_exception
    mark_sending(error)
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
    if kinds & {"DataError", "OverflowError", "UnicodeEncodeError"}:
        written = _unfit(context, table, rows) if isinstance(table, Table) else None
        return written or _unfit_operand(context, statement, rows)
    if "IntegrityError" not in kinds or not isinstance(table, Table):
        return None
    if getattr(error, "diag", None) is not None:
        return read_postgresql(error, statement, rows)
    assert context.connection is not None
    return read_sqlite(str(error), context.connection, statement, rows)


def _unfit(context: ExceptionContext, table: Table, rows: Sequence[Row]) -> Violation | None:
    for row in rows:
        for column in table.columns:
            why = why_unfit(column, row.get(column.key), context.dialect)
            if why is not None:
                return Violation("value", table, (column,), why)
    return None


def _unfit_operand(
    context: ExceptionContext, statement: Any, rows: Sequence[Row]
) -> Violation | None:
    """A value that a condition compares a column with."""
    for element in () if statement is None else visitors.iterate(statement):
        if not isinstance(element, BinaryExpression):
            continue
        for compared, given in ((element.left, element.right), (element.right, element.left)):
            if not isinstance(given, BindParameter) or not isinstance(compared, Column):
                continue
            values = [row.get(str(given.key)) for row in rows] or [given.effective_value]
            whys = (why_unfit(compared, value, context.dialect) for value in values)
            why = next((why for why in whys if why is not None), None)
            table = find_table(getattr(compared.table, "name", None), None, None)
            column = None if table is None else table.columns.get(compared.key)
            if why is not None and table is not None and column is not None:
                return Violation("value", table, (column,), why)
    return None


def _refused_by_type(context: ExceptionContext) -> Violation | None:
    """The violation by a value that its column's type refused before anything was sent."""
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
    except Exception:  # noqa: BLE001  # any exception: this column's type has raised it
        return True
    return False
