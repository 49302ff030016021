"""Many-to-many relationships as lists of keys: ``"tags": [1, 2]``.

The other row is addressed as everywhere: by the value of its key, or, where the key has several
columns, by its text. Members that the actor does not see stay what they are: they are neither
listed, nor taken out by a list that leaves them out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, QueryableAttribute, RelationshipDirection, RelationshipProperty

from trivet.errors import ConfigurationError
from trivet.models.row_keys import key_text
from trivet.suggestion import did_you_mean
from trivet_api.resource.fields import Field, fields_of
from trivet_api.resource.keys import read_key

_UNLOADED = ("dynamic", "write_only", "noload")
"""Collections that are never there as a whole."""


@dataclass(frozen=True, slots=True)
class Members:
    """A many-to-many relationship of a mapped class.

    Attributes:
        name: The attribute's key.
        attribute: The attribute itself, ``Book.tags``.
        target: The mapped class of the members.
        annotation: What a key of a member is in JSON.
        description: What people say of the relationship.
    """

    name: str
    attribute: QueryableAttribute[Any]
    target: type[Any]
    annotation: Any
    description: str | None = None

    def key_of(self, member: Any) -> Any:
        """The key of a member in JSON."""
        key = inspect(self.target).primary_key_from_instance(member)
        return self._encode(key)

    def encode_keys(self, keys: Iterable[Sequence[Any]]) -> list[Any]:
        """Keys of members as JSON has them, in their order."""
        return [self._encode(key) for key in sorted(keys, key=key_text_of)]

    def read(self, given: Any) -> tuple[Any, ...]:
        """The primary key that `given`, the value of a body, is. Raises ValueError if none."""
        return (given,) if self._is_plain else read_key(self.target, given)

    @property
    def _is_plain(self) -> bool:
        return len(inspect(self.target).primary_key) == 1

    def _encode(self, key: Sequence[Any]) -> Any:
        if not self._is_plain:
            return key_text(key)
        return _key_field(inspect(self.target)).encode(key[0])


def _key_field(mapper: Mapper[Any]) -> Field:
    """The field of a key of one column."""
    return fields_of(mapper.class_)[mapper.get_property_by_column(mapper.primary_key[0]).key]


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
    other = relationship.mapper
    target = other.class_
    annotation: Any = str
    if len(other.primary_key) == 1:
        annotation = fields_of(target)[
            other.get_property_by_column(other.primary_key[0]).key
        ].annotation
    return Members(
        relationship.key,
        getattr(mapper.class_, relationship.key),
        target,
        annotation,
        relationship.doc,
    )
