"""What the attributes of a mapped class are called in Django.

The name is the attribute's own, wherever Django leaves it free. Django's models have many names of
their own: a column `check` or `objects` would take the place of what the admin calls. Django also
reads two underscores as a path, allows none at the end of a name, and gives a foreign key two
names, one for the row that it refers to and one for its value. Where such a rule is in the way, the
attribute has another name in Django. The database and the mapped class keep theirs, and so does
whatever people read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import chain, count
from typing import Any

from sqlalchemy import Column, ForeignKey
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet_admin.mirror.hierarchy import column_of
from trivet_admin.mirror.model import MirrorModel
from trivet_admin.mirror.shape import LOADED, SHAPE

RESERVED = frozenset(
    {
        *dir(MirrorModel),
        *(SHAPE, LOADED),
        # What a model that is not abstract has besides, and what each instance has.
        *("objects", "DoesNotExist", "MultipleObjectsReturned", "NotUpdated", "Meta"),
        *("_state", "_meta", "_default_manager", "_base_manager", "_prefetched_objects_cache"),
        # What Django asks any object for, to learn what it is.
        *("get_absolute_url", "natural_key", "resolve_expression", "as_sql", "_is_pk_set"),
        *("prepare_database_save", "contribute_to_class", "deconstruct"),
        # What the forms of the admin have besides the fields of the row.
        *("DELETE", "ORDER", "action", "csrfmiddlewaretoken"),
        *("_save", "_addanother", "_continue", "_saveasnew", "_popup", "_to_field"),
    }
)
"""The names that no field and no relation may have."""

_ELSEWHERE = "_attribute"
"""What stands behind a name that Django keeps for itself."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one mapped class.

    `fields` and `attnames` are by the keys of columns: the field's name, and that of the attribute
    which has its value; they differ for a foreign key. `relations` are by the keys of
    relationships. `given` has the attributes whose names Django does not allow, each with the name
    that it has instead.
    """

    fields: Mapping[str, str]
    attnames: Mapping[str, str]
    relations: Mapping[str, str]
    given: Mapping[str, str]


@cache
def names_of(mapper: Mapper[Any]) -> Names:
    """The names in Django of the columns and relationships of `mapper`."""
    return _Naming(mapper).give()


class _Naming:
    def __init__(self, mapper: Mapper[Any]) -> None:
        self._mapper = mapper
        self._used = {name for name in _own_names(mapper) if _cleaned(name) == name} | RESERVED
        self._given: dict[str, str] = {}

    def give(self) -> Names:
        relations = {each.key: self._own(each.key) for each in self._mapper.relationships}
        fields: dict[str, str] = {}
        attnames: dict[str, str] = {}
        for attribute in self._mapper.column_attrs:
            key = attribute.key
            column = column_of(self._mapper, attribute)
            if reference_of(column) is None:
                fields[key] = attnames[key] = self._own(key)
            elif (relationship := relationship_over(self._mapper, column)) is not None:
                fields[key] = relations[relationship.key]
                attnames[key] = self._own(key)
            else:
                fields[key], attnames[key] = self._pair(key)
        return Names(fields, attnames, relations, self._given)

    def _pair(self, key: str) -> tuple[str, str]:
        """The names of a foreign key over which the mapped class has no relationship."""
        name = self._own(key)
        if not key.endswith("_id") or key == "_id":
            return name, self._free(f"{name}_id", f"{name}_key")
        short = _cleaned(key.removesuffix("_id"))
        referred = self._free(short, short + _ELSEWHERE)
        if referred != key.removesuffix("_id"):
            self._given[key] = referred
        return referred, name

    def _own(self, key: str) -> str:
        """The name of the attribute `key`: its own, if Django allows it."""
        name = _cleaned(key)
        if name == key and key not in RESERVED:
            return key
        if key not in self._given:
            self._given[key] = self._free(name, name + _ELSEWHERE)
        return self._given[key]

    def _free(self, *names: str) -> str:
        """The first of `names` that nobody has; or the last one with a number."""
        numbered = (f"{names[-1]}{number}" for number in count(2))
        found = next(name for name in chain(names, numbered) if name not in self._used)
        self._used.add(found)
        return found


def _own_names(mapper: Mapper[Any]) -> Iterator[str]:
    """Every name that somebody may mean by an attribute of the mapped class."""
    yield from mapper.attrs.keys()
    for cls in mapper.class_.__mro__[:-1]:
        yield from vars(cls)


def _cleaned(key: str) -> str:
    """`key` by the rules that Django has for names: letters, digits, and single underscores
    between them."""
    one = re.sub("_{2,}", "_", re.sub(r"\W", "_", key))
    return one.rstrip("_") or "attribute"


def reference_of(column: "Column[Any]") -> "ForeignKey | None":
    """The foreign key that stands on this column alone, if any."""
    alone = [
        key for key in column.foreign_keys if key.constraint and len(key.constraint.columns) == 1
    ]
    return alone[0] if len(alone) == 1 else None


def relationship_over(
    mapper: Mapper[Any], *columns: "Column[Any]"
) -> "RelationshipProperty[Any] | None":
    """The relationship of `mapper` from these columns to the row that they refer to; of several
    one that writes."""
    found = [
        relationship
        for relationship in mapper.relationships
        if relationship.direction is RelationshipDirection.MANYTOONE
        and relationship.local_columns == set(columns)
    ]
    return min(found, key=lambda relationship: relationship.viewonly, default=None)


def words_of(key: str) -> str:
    """The name of an attribute as people read it, which Django would make of the name there."""
    return key.replace("_", " ").strip()
