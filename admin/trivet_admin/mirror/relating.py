"""Rules of relationships, where Django writes the column below one.

``@validates("parent")`` speaks when the relationship is set, on the side of the row or, for a
collection, on that of its parent. Django sets the foreign key alone. So where the class on either
side has such a rule, what the key refers to is looked up and related as well.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, select
from sqlalchemy.orm import Mapper, RelationshipDirection, Session

from trivet_admin.mirror.hierarchy import class_of_table, column_of
from trivet_admin.mirror.names import reference_of, relationship_over
from trivet_admin.mirror.own_row import find_row
from trivet_admin.mirror.unreadable import loading


@dataclass(frozen=True, slots=True)
class Relation:
    """A foreign key with a rule above it.

    `relationship` is the one of its own class, if there is one, and `followed` says that the
    referred class's collection follows it. `collections` are the referred class's rules: the name
    of each, its validator, and whether that wants to know of removals.
    """

    referred: type[Any]
    column: "Column[Any]"
    relationship: str | None
    followed: bool
    collections: tuple[tuple[str, Any, bool], ...]

    def relate(self, session: Session, instance: Any, value: Any) -> None:
        """Let `instance` refer to the row that has `value`, as the mapped class would set it.
        Raises what a validator raises."""
        with session.no_autoflush:
            parent = self._find(session, value)
            if value is not None and parent is None:
                return  # there is no such row, and the foreign key will say so
            collections = self.collections if parent is not None else ()
            for key, _, _ in collections:
                getattr(parent, key)  # a rule that looks at it may not load it on the way
            if self.relationship is not None:
                setattr(instance, self.relationship, parent)
            if not self.followed:
                for key, validate, wants_removes in collections:
                    validate(parent, key, instance, *([False] if wants_removes else []))

    def _find(self, session: Session, value: Any) -> Any:
        if value is None:
            return None
        with loading(self.column.table.name):
            if [*self.column.table.primary_key] == [self.column]:
                return find_row(session, self.referred, value)
            return session.scalars(select(self.referred).where(self.column == value)).first()


@cache
def relations_of(mapper: Mapper[Any]) -> dict[str, Relation]:
    """What has to be related in a mapped class when a foreign key is set, by its mapped names.

    Nothing, if no relationship has a rule. A rule may look at the other relationships of its row,
    so they come with it, and before it.
    """
    found: dict[str, Relation] = {}
    others: dict[str, Relation] = {}
    for attribute in mapper.column_attrs:
        column = column_of(mapper, attribute)
        reference = reference_of(column)
        referred = None if reference is None else class_of_table(reference.column.table)
        if reference is None or referred is None:
            continue
        own = relationship_over(mapper, column)
        key = None if own is None or own.viewonly else own.key
        collections = _validated_collections(referred, column)
        followed = key is not None and bool(getattr(own, "back_populates", None))
        relation = Relation(referred.class_, reference.column, key, followed, collections)
        has_rule = key in mapper.validators or collections
        (found if has_rule else others)[attribute.key] = relation
    return {**others, **found} if found else {}


def _validated_collections(referred: Mapper[Any], column: Any) -> tuple[tuple[str, Any, bool], ...]:
    validators: Any = referred.validators
    return tuple(
        (each.key, *_validator(validators[each.key]))
        for each in referred.relationships
        if each.direction is RelationshipDirection.ONETOMANY
        and each.key in validators
        and {pair[1] for pair in each.synchronize_pairs} == {column}
    )


def _validator(entry: Any) -> tuple[Any, bool]:
    function, options = entry
    return function, bool(options["include_removes"])
