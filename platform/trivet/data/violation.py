"""Violations of constraints, and their meaning for the caller.

A sentence contains a value only if it comes from the failed statement, never from another row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Column, Table

from trivet.data.constraints import find_column
from trivet.errors import Conflict, Invalid, TrivetError, errors_at
from trivet.models.labels import attribute_of, find_mapper, label_of, noun_of, with_article
from trivet.models.nouns import plural_of

VALUE_LENGTH = 60
"""The longest value, in characters, that a sentence repeats."""
Kind = Literal["unique", "missing", "referred", "null", "check", "overlap", "value"]
Row = Mapping[str, Any]
Columns = tuple["Column[Any]", ...]


@dataclass(frozen=True, slots=True)
class Violation:
    """A refusal of `columns` of `table`. `detail` is known from the failure only: the value that
    refers to nothing, the condition of a check, or the reason why a value does not fit. `other`
    is the table at the other end of the foreign key."""

    kind: Kind
    table: Table
    columns: Columns
    detail: str = ""
    other: Table | None = None

    @property
    def subject(self) -> type[Any] | None:
        """The mapped class of the table."""
        mapper = find_mapper(self.table)
        return None if mapper is None else mapper.class_

    def error(self) -> TrivetError:
        """The public meaning: 409 if the present data refuses, 422 if the value is wrong."""
        sentence = self._sentence()
        # A form shows the error at the attribute; elsewhere the sentence has to name it.
        names = " and ".join(label_of(column) for column in self.columns)
        whole = f"{names}: {sentence}" if self.kind in ("null", "value") else sentence
        detail = f"{whole[:1].upper()}{whole[1:]}."
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
                return _still_refer(self.other)
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


def _still_refer(table: Table | None) -> str:
    """Rows of a table without a class of its own, as of an association, are called by its name,
    which mostly is a plural already."""
    if table is None:
        return "something still refers to this"
    several = noun_of(table) if find_mapper(table) is None else plural_of(noun_of(table))
    return f"{several} still refer to this"


def named(table: Table, names: Sequence[str]) -> Columns:
    """The columns of `table` with these names in the database."""
    found = (find_column(table, name) for name in names)
    return tuple(column for column in found if column is not None)


def say(value: str, columns: Columns) -> str:
    """A value in a sentence: empty if it is long, in quotes if it is text."""
    if not value or len(value) > VALUE_LENGTH:
        return ""
    try:
        is_text = len(columns) == 1 and columns[0].type.python_type is str
    except NotImplementedError:
        is_text = False
    return f"'{value}'" if is_text else value
