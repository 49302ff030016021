"""What a mapped class says of the values of its columns beside their types: by an enum that it is
annotated with over a plain column, or as a model of Pydantic's (SQLModel).

``Mapped[Level] = mapped_column(Integer)`` keeps numbers, of which SQLAlchemy takes any; those of
the enum are meant.

Nothing asks a table of SQLModel's for its own bounds when an object is made or changed. So what
``Field(ge=0, regex=…)`` and a type such as ``EmailStr`` say is judged here like the bounds of the
column itself. Types that the columns know are theirs to judge; functions of the class
(``field_validator``) are called by ``model_validate`` alone, as SQLModel has it.
"""

import datetime as dt
import enum
import re
import typing
from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import ValidationError
from sqlalchemy import Enum, Integer, String
from sqlalchemy.orm import Mapper

from trivet.data.fitting.examples import annotation_of, members_of
from trivet.data.fitting.fit import Fit, UnfitError
from trivet.models.pydantic_fields import find_pydantic_field

_KEYWORDS = frozenset(
    {
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
        *("pattern", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems"),
        "enum",
    }
)
"""Of JSON Schema, for bounds."""
_PLAIN = (str, bytes, int, float, Decimal, dt.date, dt.time, dt.timedelta)
"""Values of which Pydantic may make others, such as a text in lower case."""


class Declared:
    """The bounds of one attribute.

    Attributes:
        keywords: The same in JSON Schema, as far as it has words for them.
    """

    def __init__(self, adapter: "TypeAdapter[Any]") -> None:
        self._adapter = adapter
        self.keywords: Mapping[str, Any] = _keywords(adapter)

    def fit(self, value: Any) -> Any:
        """`value`, or what Pydantic makes of it. Raises UnfitError with its sentence."""
        try:
            found = self._adapter.validate_python(value)
        except ValidationError as error:
            raise UnfitError(_sentence(error.errors()[0]["msg"])) from None
        is_other = type(found) is type(value) and isinstance(found, _PLAIN) and found != value
        return found if is_other else value


@cache  # classes stand in source code
def declared_of(mapper: Mapper[Any], name: str) -> Declared | None:
    """What a class says of its attribute `name`; None if no more than its column does."""
    members = _members_over(mapper, name)
    if members is not None:
        return Declared(TypeAdapter(members))
    field = find_pydantic_field(mapper.class_, name)
    if field is None:
        return None
    bounds = list(_bounds_of(field))
    if not bounds and not _judges(field.annotation):
        return None
    annotation: Any = Annotated[field.annotation, *bounds] if bounds else field.annotation
    try:
        return Declared(TypeAdapter(annotation))
    except PydanticUserError:  # a type of somebody's own, about which Pydantic knows nothing
        return None


def _members_over(mapper: Mapper[Any], name: str) -> type[enum.Enum] | None:
    """The enum whose values stand in a column as they are. A combination of flags is none of its
    members, and of an enum that is no text a column of texts may have the names."""
    kind = getattr(mapper.columns.get(name), "type", None)
    if isinstance(kind, Enum) or not isinstance(kind, Integer | String):
        return None
    members = members_of(annotation_of(mapper.class_, name))
    if members is None or issubclass(members, enum.Flag):
        return None
    if isinstance(kind, String):
        return members if issubclass(members, str) else None
    return members if all(isinstance(each.value, int) for each in members) else None


def within(fit: Fit | None, declared: Declared | None) -> Fit | None:
    """What a column holds, `fit`, within what its class has declared."""
    if declared is None or fit is None:
        return fit if declared is None else declared.fit

    def both(value: Any) -> Any:
        fitted = fit(value)
        found = declared.fit(fitted)
        return fitted if found is fitted else fit(found)

    return both


def _bounds_of(field: FieldInfo) -> Iterator[Any]:
    """Pydantic's, without what SQLModel keeps beside them for its columns."""
    for each in field.metadata:
        if not type(each).__module__.startswith("sqlmodel"):
            yield each
    # SQLModel hands its own word to Pydantic, which does not know it and keeps it aside.
    regex = field._attributes_set.get("regex")  # noqa: SLF001  # pinned by a test
    if regex is not None:
        yield Field(pattern=regex)


def _judges(annotation: Any) -> bool:
    """Whether a type brings rules of its own to Pydantic, as ``EmailStr`` does."""
    kinds = typing.get_args(annotation) or (annotation,)
    return any(hasattr(each, "__get_pydantic_core_schema__") for each in kinds)


def _keywords(adapter: "TypeAdapter[Any]") -> Mapping[str, Any]:
    try:
        schema = adapter.json_schema()
    except PydanticUserError:  # values that have no JSON
        return {}
    known = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), schema)
    return {name: known[name] for name in known if name in _KEYWORDS}


_SUBJECT = re.compile(r"[A-Z][\w ]*? should |(?:Value error|Assertion failed), ")


def _sentence(message: str) -> str:
    """Pydantic's sentence as one of ours: what is not said of an input is said of the attribute."""
    found = _SUBJECT.match(message)
    if found is None:
        return message.rstrip(".")
    rest = message[found.end() :].rstrip(".")
    return f"it must {rest}" if found.group().endswith(" should ") else rest
