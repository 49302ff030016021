"""Many-to-many relationships as lists of keys: ``"tags": [1, 2]``.

The other row is addressed as everywhere: by the value of its key, or, where the key has several
columns, by its text. A whole number is a text here where a resource of the other class shows it as
one. Members that the actor does not see stay what they are: they are neither listed, nor taken out
by a list that leaves them out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter
from pydantic_core import CoreSchema, core_schema
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, QueryableAttribute, RelationshipDirection, RelationshipProperty

from trivet.errors import ConfigurationError
from trivet.models.row_keys import key_text
from trivet.suggestion import did_you_mean
from trivet_api.resource.fields import Field, fields_of
from trivet_api.resource.keys import read_key
from trivet_api.whole_numbers import BigIntString

_UNLOADED = ("dynamic", "write_only", "noload")
"""Collections that are never there as a whole."""


@dataclass(slots=True, eq=False)
class Members:
    """A many-to-many relationship of a mapped class.

    Attributes:
        name: The attribute's key.
        attribute: The attribute itself, ``Book.tags``.
        target: The mapped class of the members.
        description: What people say of the relationship.
        has_texts: Whether keys are texts although they are whole numbers, which the resources of
            `target` say: it is known when all of an application's are (`marks`).
    """

    name: str
    attribute: QueryableAttribute[Any]
    target: type[Any]
    description: str | None = None
    has_texts: bool = False

    @property
    def annotation(self) -> Any:
        """What a key of a member is in JSON."""
        key = self.key
        if key is None:
            return str
        return Annotated[key.annotation, _Form(self)] if key.is_whole else key.annotation

    @property
    def key(self) -> Field | None:
        """The field of the key of `target`; None where it has several columns."""
        mapper: Mapper[Any] = inspect(self.target)
        if len(mapper.primary_key) > 1:
            return None
        return fields_of(self.target)[mapper.get_property_by_column(mapper.primary_key[0]).key]

    def key_of(self, member: Any) -> Any:
        """The key of a member in JSON."""
        key = inspect(self.target).primary_key_from_instance(member)
        return self._encode(key)

    def encode_keys(self, keys: Iterable[Sequence[Any]]) -> list[Any]:
        """Keys of members as JSON has them, in their order."""
        return [self._encode(key) for key in sorted(keys, key=key_text_of)]

    def read(self, given: Any) -> tuple[Any, ...]:
        """The primary key that `given`, the value of a body, is. Raises ValueError if none."""
        return read_key(self.target, given) if self.key is None else (given,)

    def _encode(self, key: Sequence[Any]) -> Any:
        field = self.key
        if field is None:
            return key_text(key)
        return str(key[0]) if self.has_texts else field.encode(key[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Form:
    """The form of a key that is a whole number. Schemas are made with their resource, and it is
    asked with each value, because other resources say later what it is."""

    members: Members

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        writing = core_schema.plain_serializer_function_ser_schema(self._write, when_used="json")
        return core_schema.no_info_wrap_validator_function(
            self._read, handler(source), serialization=writing
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if self.members.has_texts:
            return _TEXT.json_schema()
        known: Any = schema
        return handler(known["schema"])

    def _read(self, given: Any, read_number: Any) -> Any:
        return _TEXT.validate_python(given) if self.members.has_texts else read_number(given)

    def _write(self, key: int) -> int | str:
        return str(key) if self.members.has_texts else key


_TEXT: TypeAdapter[int] = TypeAdapter(BigIntString)


def key_text_of(key: Sequence[Any]) -> tuple[Any, ...]:
    """What keys are ordered by: numbers as numbers, all else by its text."""
    return tuple(
        (0, each, "") if isinstance(each, int) else (1, 0, key_text([each])) for each in key
    )


def members_of(model: type[Any]) -> Mapping[str, Members]:
    """The many-to-many relationships of a mapped class by their names."""
    return _members_of(inspect(model))


@cache
def _members_of(mapper: Mapper[Any]) -> Mapping[str, Members]:
    return {each.key: _members(mapper, each) for each in mapper.relationships if _is_plain(each)}


def named_members(model: type[Any], names: Iterable[str]) -> Mapping[str, Members]:
    """Those of `members_of` that `names` lists. Raises ConfigurationError for another name."""
    known = members_of(model)
    for name in names:
        if name not in known:
            raise ConfigurationError(
                "resource",
                f"{model.__name__} has no many-to-many relationship {name!r}"
                f"{did_you_mean(name, known)}",
            )
    return {name: known[name] for name in names}


def _is_plain(relationship: RelationshipProperty[Any]) -> bool:
    return (
        relationship.direction is RelationshipDirection.MANYTOMANY
        and relationship.secondary is not None
        and bool(relationship.uselist)
        and not relationship.viewonly
        and relationship.lazy not in _UNLOADED
        and not relationship.key.startswith("_")
    )


def _members(mapper: Mapper[Any], relationship: RelationshipProperty[Any]) -> Members:
    return Members(
        relationship.key,
        getattr(mapper.class_, relationship.key),
        relationship.mapper.class_,
        relationship.doc,
    )
