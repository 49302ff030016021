"""The columns whose values never leave: they say so in their ``info``, or in the words of
Pydantic, where a mapped class is a model of its (SQLModel).

What the database makes of one leaves as little, unless its author says that it may:
``info={"secret": False}``.
"""

from functools import cache
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapper

from trivet.models.derived_columns import columns_in, sources_of
from trivet.models.labels import attributes_of_column
from trivet.models.pydantic_fields import find_pydantic_field


def is_secret(column: ColumnElement[Any]) -> bool:
    """Whether the values of `column` are shown to nobody: the audit trail redacts them, or
    ``info={"secret": True}``; or it is made of such a column."""
    said = _said(getattr(column, "info", {}))
    return any(map(is_secret, columns_in(column))) if said is None else said


@cache  # classes stand in source code
def is_withheld(mapper: Mapper[Any], name: str) -> bool:
    """Whether the values of a column or an expression that a class maps leave for nobody: it is
    secret, Pydantic leaves it out of what it writes (``Field(exclude=True)``), or it is made of
    what is so."""
    attribute = mapper.attrs[name]
    said = _said(attribute.info)
    if said is not None:
        return said
    if any(map(is_secret, attribute.columns)) or _is_excluded(mapper, name):
        return True
    read = (each for column in sources_of(mapper, name) for each in attributes_of_column(column))
    return any(_is_excluded(*each) for each in read)


def _said(info: Any) -> bool | None:
    if info.get("audit") == "redacted" or info.get("secret"):
        return True
    return False if info.get("secret") is False else None


def _is_excluded(mapper: Mapper[Any], name: str) -> bool:
    known = find_pydantic_field(mapper.class_, name)
    return known is not None and known.exclude is True
