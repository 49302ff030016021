"""The column attributes of a mapped class, as JSON sees them.

Everything that a resource derives from a class begins here: its schemas, its filters and sorts, and
the JSON of its rows. What stands in a column's ``info`` is respected at every door:

* ``{"audit": "redacted"}`` or ``{"secret": True}``: the value never leaves, as with Pydantic's
  ``Field(exclude=True)`` on a class of SQLModel's;
* ``{"editable": False}``: clients do not write it, and ``True`` lets them where they could not;
* ``{"help": "…"}`` describes it, ``{"example": …}`` or ``{"examples": […]}`` shows it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import Field as PydanticField
from sqlalchemy import Column, ColumnElement, Integer, Sequence, inspect
from sqlalchemy.orm import Mapper, QueryableAttribute

from trivet.data.fitting.declared import Declared, declared_of
from trivet.data.fitting.examples import annotation_of
from trivet.data.fitting.fit import Fit
from trivet.data.fitting.types import fit_as_declared
from trivet.models.filled_columns import is_filled
from trivet.models.pydantic_fields import find_pydantic_field
from trivet.models.withheld import is_withheld
from trivet_api.resource.attribute_texts import attribute_texts
from trivet_api.resource.json_type import JsonType
from trivet_api.resource.json_types import json_type_of

_HIDDEN = re.compile("_trivet_|_sa_")


@dataclass(frozen=True, slots=True)
class Field:
    """One column attribute of a mapped class.

    Attributes:
        name: The attribute's key.
        attribute: The attribute itself, ``Book.price``.
        column: Its column; an expression of SQL where the class maps one.
        annotation: What Pydantic reads and writes, with the column's bounds and without None.
        nullable: Whether it may be null.
        is_key: Whether it is a part of the primary key.
        is_generated: Whether the database or SQLAlchemy makes the value, so that clients do not.
        has_default: Whether a new row may come without it.
        is_secret: Whether it never leaves.
        description: What people say of it.
        encoder: Makes of a value what msgspec writes; None where it writes the value as it is.
        declared: What the class says of values beside its columns, which holds for what is written.
    """

    name: str
    attribute: QueryableAttribute[Any]
    column: Any
    annotation: Any
    nullable: bool
    is_key: bool
    is_generated: bool
    has_default: bool
    is_secret: bool
    description: str | None = None
    encoder: Callable[[Any], Any] | None = field(default=None, repr=False)
    declared: Declared | None = None

    @property
    def fit(self) -> Fit | None:
        """The function that judges a value, whatever the database; None where the type of the
        column says nothing of it."""
        return fit_as_declared(self.column) if isinstance(self.column, Column) else None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return isinstance(getattr(self.column, "type", None), Integer)

    def encode(self, value: Any) -> Any:
        """A value of the attribute as msgspec writes it: the JSON that the read schema gives."""
        return value if value is None or self.encoder is None else self.encoder(value)


def fields_of(model: type[Any]) -> Mapping[str, Field]:
    """The column attributes of a mapped class by their names, in their order.

    Secrets are among them, marked; a resource leaves them out.
    """
    return _fields_of(inspect(model))


@cache
def _fields_of(mapper: Mapper[Any]) -> Mapping[str, Field]:
    model = mapper.class_
    texts = attribute_texts(model)
    found = {
        attribute.key: _field(mapper, attribute, texts.get(attribute.key))
        for attribute in mapper.column_attrs
        if not _HIDDEN.match(attribute.key) and hasattr(model, attribute.key)
    }
    return MappingProxyType(found)


def _field(mapper: Mapper[Any], attribute: Any, text: str | None) -> Field:
    columns: list[Any] = list(attribute.columns)
    column = columns[0]
    info: Mapping[str, Any] = getattr(column, "info", None) or {}
    known = json_type_of(column, annotation_of(mapper.class_, attribute.key))
    is_key = any(each in mapper.primary_key for each in columns)
    is_generated = not known.is_writable or any(_is_generated(mapper, each) for each in columns)
    if not isinstance(column, Column):
        is_generated, nullable = True, not is_key
    else:
        nullable = bool(column.nullable)
        if "editable" in info and column.computed is None and known.is_writable:
            is_generated = not info["editable"]
    return Field(
        name=attribute.key,
        attribute=getattr(mapper.class_, attribute.key),
        column=column,
        annotation=_annotation(known, info),
        nullable=nullable,
        is_key=is_key,
        is_generated=is_generated,
        has_default=nullable or is_generated or any(map(_has_default, columns)),
        is_secret=not known.is_readable or is_withheld(mapper, attribute.key),
        description=_description(column, info, text) or _said(mapper, attribute.key),
        encoder=known.encode,
        declared=declared_of(mapper, attribute.key),
    )


def _annotation(known: JsonType, info: Mapping[str, Any]) -> Any:
    examples = info.get("examples") or ([info["example"]] if "example" in info else None)
    if not examples:
        return known.annotation
    return Annotated[known.annotation, PydanticField(examples=list(examples))]


def _description(column: Any, info: Mapping[str, Any], text: str | None) -> str | None:
    found = info.get("help") or getattr(column, "doc", None) or getattr(column, "comment", None)
    return str(found) if found else text


def _said(mapper: Mapper[Any], name: str) -> str | None:
    known = find_pydantic_field(mapper.class_, name)
    return None if known is None else known.description


def _is_generated(mapper: Mapper[Any], column: Any) -> bool:
    """Whether the database or SQLAlchemy makes the value: a numbered key, a key with a function
    for its default, a version, a discriminator, and what an update or an expression sets."""
    if not isinstance(column, Column):
        return True
    table: Any = column.table
    if column is mapper.version_id_col or column is mapper.polymorphic_on:
        return True
    if column.computed is not None or column.identity is not None:
        return True
    if column.onupdate is not None or column.server_onupdate is not None:
        return True
    if column.primary_key and (
        getattr(table, "autoincrement_column", None) is column or _is_made_key(column)
    ):
        return True
    default: Any = column.default
    made = default is not None and (default.is_clause_element or isinstance(default, Sequence))
    return made or _is_made_by_server(column)


def _is_made_key(column: "Column[Any]") -> bool:
    default: Any = column.default
    if len(column.table.primary_key.columns) == 1:
        return default is not None or column.server_default is not None
    return default is not None and not default.is_scalar


_CONSTANT = re.compile(
    r"\(*\s*(?:[+-]?[\d.]+(?:e[+-]?\d+)?|'(?:[^']|'')*'|true|false|null)\s*\)*(?:::.+)?",
    re.IGNORECASE | re.DOTALL,
)


def _is_made_by_server(column: "Column[Any]") -> bool:
    """Whether the server's default is another value each time (``now()``). A constant is what a
    row has where nobody says otherwise."""
    default: Any = column.server_default
    if default is None:
        return False
    written = getattr(default, "arg", None)
    if written is None:
        return True
    if isinstance(written, str):
        return False  # SQLAlchemy quotes it
    text = getattr(written, "text", None)
    if text is not None:
        return _CONSTANT.fullmatch(str(text).strip()) is None
    is_expression = isinstance(written, ColumnElement)
    return is_expression and written.__visit_name__ not in ("true", "false", "null", "bindparam")


def _has_default(column: Any) -> bool:
    return isinstance(column, Column) and (
        column.default is not None or column.server_default is not None or is_filled(column)
    )
