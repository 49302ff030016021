"""What a refused write means to the person at the form."""

import re
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DatabaseError, IntegrityError, models
from django.db.models.deletion import ProtectedError, RestrictedError
from sqlalchemy import Column, Table, inspect

from trivet.errors import TrivetError
from trivet_admin.errors.to_django import StaleEditError
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.site.forms import FormErrors

REFUSALS = (TrivetError, ValidationError, IntegrityError, StaleEditError)
"""What a write may be refused with; anything else is a fault of ours."""

_SQLITE = re.compile(
    r"(?P<kind>UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (?P<what>.*))?"
)

_SENTENCES = {
    "unique": "There is one with this {names} already.",
    "not null": "This value is needed.",
    "check": "This value is not allowed (rule {rule}).",
    "foreign key": "This refers to something that does not exist, or something refers to it.",
}


def form_errors_of(error: Exception, model: type[models.Model]) -> FormErrors:
    """The sentences for a form of `model`, each at the field that it is about."""
    if isinstance(error, ValidationError):
        return getattr(error, "message_dict", None) or {NON_FIELD_ERRORS: error.messages}
    if isinstance(error, TrivetError):
        return _explain_domain(error)
    shape = find_shape(model)
    if isinstance(error, IntegrityError) and isinstance(shape, Shape):
        return _explain_constraint(error, model, shape)
    return {NON_FIELD_ERRORS: [sentence_of(error)]}


def sentence_of(error: Exception) -> str:
    """One sentence for a message, where there is no form."""
    if isinstance(error, TrivetError):
        return error.detail
    if isinstance(error, ValidationError):
        return " ".join(error.messages)
    if isinstance(error, ProtectedError | RestrictedError):
        return "This is still referred to. Nothing was changed."
    if isinstance(error, StaleEditError):
        return str(error)
    return "This contradicts data that is already there. Nothing was changed."


def _explain_domain(error: TrivetError) -> FormErrors:
    """A domain error's own pointers name fields; what they do not name is about the whole."""
    faults: dict[str, list[str]] = {}
    for each in error.data.get("errors", ()):
        field = str(each["pointer"]).lstrip("/").partition("/")[0]
        faults.setdefault(field or NON_FIELD_ERRORS, []).append(each["detail"])
    return faults or {NON_FIELD_ERRORS: [error.detail]}


def _explain_constraint(
    error: DatabaseError, model: type[models.Model], shape: Shape
) -> FormErrors:
    kind, columns, rule = _read_violation(error, inspect(shape.mapped).local_table)
    fields = [field for field in model._meta.concrete_fields if field.column in columns]
    names = " and ".join(str(field.verbose_name) for field in fields)
    template = _SENTENCES.get(kind)
    sentence = sentence_of(error) if template is None else template.format(names=names, rule=rule)
    where = fields[0].name if len(fields) == 1 else NON_FIELD_ERRORS
    return {where: [sentence]}


def _read_violation(error: DatabaseError, table: Table) -> tuple[str, set[str], str]:
    """Kind, columns and name of the constraint that refused, as far as the driver tells."""
    cause: Any = error.__cause__
    diagnosis = getattr(cause, "diag", None)
    if diagnosis is not None:  # psycopg
        return _read_postgresql(diagnosis, table)
    found = _SQLITE.match(str(error))
    if found is None:
        return "", set(), ""
    kind, what = found["kind"].lower(), found["what"] or ""
    if kind == "check":
        return kind, _columns_of(table, what), what
    return kind, {part.rpartition(".")[2] for part in what.split(", ")}, ""


_SQLSTATES = {"23505": "unique", "23502": "not null", "23514": "check", "23503": "foreign key"}


def _read_postgresql(diagnosis: Any, table: Table) -> tuple[str, set[str], str]:
    kind = _SQLSTATES.get(diagnosis.sqlstate, "")
    rule = diagnosis.constraint_name or ""
    if diagnosis.table_name != table.name:
        return kind, set(), rule
    columns = {diagnosis.column_name} if diagnosis.column_name else _columns_of(table, rule)
    return kind, columns, rule


def _columns_of(table: Table, constraint: str) -> set[str]:
    named: Iterable[Any] = [*table.constraints, *table.indexes]
    columns: list[Column[Any]] = [
        column for each in named if each.name == constraint for column in each.columns
    ]
    return {column.name for column in columns}
