"""The attributes of a mapped class whose values never leave: what they hold is secret, or Pydantic
leaves them out, where the class is a model of its (SQLModel)."""

from functools import cache
from typing import Any

from sqlalchemy.orm import Mapper

from trivet.models.derived_columns import sources_of
from trivet.models.labels import attributes_of_column
from trivet.models.pydantic_fields import find_pydantic_field
from trivet.models.secret_columns import is_secret, said_of


@cache  # classes stand in source code
def is_withheld(mapper: Mapper[Any], name: str) -> bool:
    """Whether the values of a column or an expression that a class maps leave for nobody: it is
    secret, Pydantic leaves it out of what it writes (``Field(exclude=True)``), or it is made of
    what is so."""
    attribute = mapper.attrs[name]
    said = said_of(attribute.info)
    if said is not None:
        return said
    if any(map(is_secret, attribute.columns)) or _is_excluded(mapper, name):
        return True
    read = (each for column in sources_of(mapper, name) for each in attributes_of_column(column))
    return any(_is_excluded(*each) for each in read)


def _is_excluded(mapper: Mapper[Any], name: str) -> bool:
    known = find_pydantic_field(mapper.class_, name)
    return known is not None and known.exclude is True
