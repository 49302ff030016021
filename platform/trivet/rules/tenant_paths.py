"""The way from a row to the key of its tenant: an attribute, or one of a parent.

The same way is asked by three: a door, in a condition of SQL; the flush, about one row; and a
policy of PostgreSQL, in its own words.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, String, Uuid, and_, inspect, select, tuple_
from sqlalchemy.orm import (
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    aliased,
)
from sqlalchemy.sql.selectable import SelectBase
from sqlalchemy.types import TypeDecorator


class TenantPathError(Exception):
    """A way that leads to no tenant.

    Attributes:
        mapped: The class that lacks an attribute.
        name: The attribute.
        names: Those that it has; empty if that is not what is wrong.
    """

    def __init__(
        self, sentence: str, mapped: type[Any] = object, name: str = "", names: Sequence[str] = ()
    ) -> None:
        super().__init__(sentence)
        self.mapped, self.name, self.names = mapped, name, list(names)


@dataclass(frozen=True, slots=True)
class TenantPath:
    """A way that starts at rows of `mapper`.

    Attributes:
        parents: The relationships to one parent each.
        key: The attribute of the last class that holds the key of the tenant.
    """

    mapper: Mapper[Any]
    parents: tuple[RelationshipProperty[Any], ...]
    key: str

    @property
    def last(self) -> Mapper[Any]:
        """The mapper of the class that holds the key."""
        return self.parents[-1].mapper if self.parents else self.mapper

    @property
    def attribute(self) -> str:
        """The attribute of the row itself by which it names its tenant."""
        return self.parents[0].key if self.parents else self.key

    @property
    def is_own_key(self) -> bool:
        """Whether the rows are the tenants."""
        columns = self.mapper.column_attrs[self.key].columns if not self.parents else ()
        return any(each in self.mapper.primary_key for each in columns)

    def condition(self, tenants: Any) -> ColumnElement[bool]:
        """The condition for rows of `tenants`, keys or a query of them."""
        return _among(self.mapper.class_, self.parents, self.key, tenants)

    def keys_of_parents(self, values: Sequence[Any]) -> Select[Any]:
        """The query for the tenant of the first parent that has `values` for what the row keeps of
        it."""
        first, *rest = self.parents
        parent: Any = aliased(first.mapper.class_)
        query = select(parent)
        query = query.where(
            *(
                getattr(parent, name) == value
                for (_, name), value in zip(_pairs(first), values, strict=True)
            )
        )
        for each in rest:
            nearer: Any = aliased(each.mapper.class_)
            held = (getattr(parent, own) == getattr(nearer, name) for own, name in _pairs(each))
            query, parent = query.join(nearer, _all(held)), nearer
        return query.with_only_columns(getattr(parent, self.key), maintain_column_froms=True)

    def references(self) -> list[str]:
        """The attributes that refer to the first parent."""
        return [own for own, _ in _pairs(self.parents[0])]

    def rest(self) -> "TenantPath":
        """The way from the first parent on."""
        return TenantPath(self.parents[0].mapper, self.parents[1:], self.key)


@cache  # classes stand in source code
def path_of(mapper: Mapper[Any], path: str) -> TenantPath:
    """The way that `path` says, ``"school_id"`` or ``"course.school_id"``.

    Raises:
        TenantPathError: It is none.
    """
    *steps, key = path.split(".")
    parents: list[RelationshipProperty[Any]] = []
    at = mapper
    for name in steps:
        found = at.relationships.get(name)
        if found is None:
            raise _missing(at, name, at.relationships.keys())
        if found.direction is not RelationshipDirection.MANYTOONE or found.viewonly:
            raise TenantPathError(
                f"{at.class_.__name__}.{name} is no relationship to one parent by a foreign key: "
                "start at the class that has the key."
            )
        parents.append(found)
        at = found.mapper
    if key not in at.column_attrs:
        raise _missing(at, key, at.column_attrs.keys())
    _require_comparable(at, key)
    return TenantPath(mapper, tuple(parents), key)


def _missing(mapper: Mapper[Any], name: str, names: Any) -> TenantPathError:
    mapped = mapper.class_
    return TenantPathError(f"{mapped.__name__} has no {name}.", mapped, name, sorted(names))


def _require_comparable(mapper: Mapper[Any], key: str) -> None:
    kind: Any = mapper.column_attrs[key].columns[0].type
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    if not isinstance(kind, Integer | String | Uuid):
        raise TenantPathError(
            f"{mapper.class_.__name__}.{key} is of the type {kind}: the key of a tenant is a whole "
            "number, a text or a UUID."
        )


def _pairs(parent: RelationshipProperty[Any]) -> Iterator[tuple[str, str]]:
    """The attributes that hold the foreign key of `parent`, with those that it refers to."""
    for local, remote in parent.local_remote_pairs or ():
        yield (
            parent.parent.get_property_by_column(local).key,
            parent.mapper.get_property_by_column(remote).key,
        )


def _among(
    entity: Any, parents: Sequence[RelationshipProperty[Any]], key: str, tenants: Any
) -> ColumnElement[bool]:
    if not parents:
        return _is_one_of(getattr(entity, key), tenants)
    first, *rest = parents
    parent: Any = aliased(first.mapper.class_)
    pairs = list(_pairs(first))
    known = select(*(getattr(parent, name) for _, name in pairs))
    known = known.where(_among(parent, rest, key, tenants)).correlate(None)
    own = [getattr(entity, name) for name, _ in pairs]
    found: ColumnElement[bool] = own[0].in_(known) if len(own) == 1 else tuple_(*own).in_(known)
    return found


def _is_one_of(column: Any, tenants: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool]
    if isinstance(tenants, SelectBase):
        # What it selects from is never what is listed, even if that is the same class.
        query: Any = tenants.correlate(None) if isinstance(tenants, Select) else tenants
        condition = column.in_(query)
    elif len(tenants) == 1:
        condition = column == tenants[0]
    else:
        condition = column.in_(tenants)
    return condition


def _all(conditions: Iterator[Any]) -> Any:
    return and_(*conditions)


def find_new_parent(instance: Any, name: str) -> Any | None:
    """The parent behind a relationship, if it is not written yet; None otherwise."""
    parent = inspect(instance).dict.get(name)
    return parent if parent is not None and inspect(parent).key is None else None
