"""What the database would do to captured rows by itself, done by the session before it.

A foreign key with ON DELETE CASCADE or SET NULL changes rows that no flush sees, unless a
relationship of the referred class loads them and does it first. Where there is none, or one that
leaves it to the database (``passive_deletes``), the referred class gets a relationship of ours. So
what goes along is read, judged, captured and told like everything else that a flush writes, and the
database finds nothing left to do.

On PostgreSQL the rows are locked while they are read, the referred one first: nobody adds a row to
one that is about to go.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from weakref import WeakKeyDictionary, WeakSet

from sqlalchemy import Connection, ForeignKeyConstraint, and_, inspect, literal, select
from sqlalchemy.orm import InstanceState, Mapper, Session, relationship
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE
from sqlalchemy.orm.collections import collection_adapter

from trivet.capture.tables import (
    CaptureReason,
    action_of,
    associations_of,
    find_parent,
    follows,
    foreign_keys_of,
    is_cut,
)
from trivet.models.mapped import every_mapper

PREFIX = "_trivet_"
"""What the names of our relationships begin with."""


_unseen: "WeakKeyDictionary[Mapper[Any], set[Unseen]]" = WeakKeyDictionary()
"""What no relationship can do first, by the class that is referred to."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """A rule of a foreign key whose rows the database would change by itself."""

    key: ForeignKeyConstraint
    subject: str
    verb: Literal["DELETE", "UPDATE"]

    @property
    def rule(self) -> str:
        """As in the foreign key: ``ON UPDATE CASCADE``."""
        given = self.key.ondelete if self.verb == "DELETE" else self.key.onupdate
        return f"ON {self.verb} {given}"


_followed: "WeakSet[Mapper[Any]]" = WeakSet()


def is_followed(mapper: Mapper[Any]) -> bool:
    """Whether `follow` has seen the class of `mapper`."""
    return mapper in _followed


def follow(captured: Iterable[Mapper[Any]], reason: CaptureReason) -> None:
    """Have the ORM do first what foreign keys of `captured` would have the database do. Of the
    classes that are there; a second call adds nothing."""
    for mapper in list(captured):
        _followed.add(mapper)
        for key in foreign_keys_of(mapper, reason):
            _follow_one(mapper, key)
        for table, _ in associations_of(mapper):
            if reason.covers(table):
                for key in table.foreign_key_constraints:
                    _note_unseen(key, table.name)


def _follow_one(mapper: Mapper[Any], key: ForeignKeyConstraint) -> None:
    _note_unseen(key, mapper.class_.__name__)
    action = action_of(key.ondelete)
    if action not in ("CASCADE", "SET NULL") or (parent := find_parent(key)) is None:
        return
    deletes = action == "CASCADE"
    if not any(follows(each, mapper, key, deletes=deletes) for each in parent.relationships):
        _add(parent, mapper, key, deletes=deletes)


def _note_unseen(key: ForeignKeyConstraint, subject: str) -> None:
    unseen: set[Unseen] = set()
    if action_of(key.ondelete) == "SET DEFAULT":
        unseen.add(Unseen(key, subject, "DELETE"))
    if action_of(key.onupdate):
        unseen.add(Unseen(key, subject, "UPDATE"))
    # Most keys have neither, and to find a parent is to look through all classes.
    if unseen and (parent := find_parent(key)) is not None:
        _unseen.setdefault(parent, set()).update(unseen)


def _add(
    parent: Mapper[Any], child: Mapper[Any], key: ForeignKeyConstraint, *, deletes: bool
) -> None:
    columns = [element.parent for element in key.elements]
    name = f"{PREFIX}{key.table.name}_{'_'.join(column.name for column in columns)}"
    if parent.has_property(name):
        return
    added = relationship(
        child,
        primaryjoin=and_(*(element.column == element.parent for element in key.elements)),
        foreign_keys=columns,
        remote_side=columns,
        cascade="delete" if deletes else "",
        uselist=True,
        # It writes the column that relationships of the feature write, and the same into it.
        overlaps=",".join(sorted(_names_beside(parent, child))),
    )
    parent.add_property(name, added)


def _names_beside(parent: Mapper[Any], child: Mapper[Any]) -> set[str]:
    family = (*parent.self_and_descendants, *child.self_and_descendants)
    names = {each.key for mapper in family for each in mapper.relationships}
    # A many-to-many relationship writes its table too, where that has a class.
    linking = (each for mapper in list(every_mapper()) for each in mapper.relationships)
    return names | {each.key for each in linking if each.secondary in child.tables}


def lock_referred(session: Session, instance: Any) -> None:
    """Lock the row of `instance`, which is about to be deleted, if rows go along that the database
    would take or change. On SQLite the whole database is locked."""
    state = inspect(instance, raiseerr=False)
    if not isinstance(state, InstanceState) or state.key is None:
        return
    if session.get_bind().dialect.name != "postgresql":
        return
    mapper = state.mapper
    is_followed = any(each.key.startswith(PREFIX) for each in mapper.relationships)
    if is_followed or _held_elsewhere(mapper):
        query = select(*mapper.primary_key).select_from(mapper.persist_selectable)
        for column, value in zip(mapper.primary_key, state.key[1], strict=True):
            query = query.where(column == value)
        session.connection().execute(query.with_for_update())


def cut_links(session: Session) -> None:
    """Take the rows that are about to be deleted out of the many-to-many relationships that hold
    them at the other end, where the database would cut the links by itself."""
    for instance in list(session.deleted):
        for holder, name in _held_elsewhere(instance_state(instance).mapper):
            held = getattr(holder.class_, name)
            for other in session.scalars(select(holder.class_).where(held.contains(instance))):
                collection_adapter(getattr(other, name)).remove_with_event(instance)


@cache  # classes stand in source code
def _held_elsewhere(mapper: Mapper[Any]) -> tuple[tuple[Mapper[Any], str], ...]:
    """The many-to-many relationships to `mapper` of other classes, where it has none itself."""
    found = []
    for holder in every_mapper():
        for table, held in associations_of(holder):
            for key in table.foreign_key_constraints:
                parent = find_parent(key) if action_of(key.ondelete) else None
                if parent is None or not mapper.isa(parent) or held.parent is not holder:
                    continue
                own = any(link is table and is_cut(r, key) for link, r in associations_of(parent))
                if not own and mapper.isa(held.mapper):
                    found.append((holder, held.key))
    return tuple(found)


def find_unseen() -> Iterator[str]:
    """A sentence for each rule of the database that the session neither does first nor lets
    happen."""
    for parent, rules in _unseen.items():
        for each in rules:
            what = "deleted" if each.verb == "DELETE" else "given another key"
            yield (
                f"{each.subject} has {each.rule} ({_columns(each.key)}), which nobody can do "
                f"before the database: a {parent.class_.__name__} to which rows refer is not "
                f"{what} by a session. Cure: leave the rule out"
            )


def has_unseen(mapper: Mapper[Any]) -> bool:
    """Whether rows refer to the class of `mapper` by a rule that no session can do first."""
    return bool(_unseen) and any(each in _unseen for each in mapper.iterate_to_root())


def why_unseen(connection: Connection, state: InstanceState[Any], verb: str) -> str | None:
    """Why the row of `state` cannot be deleted, or given its new key: the database would change
    rows that refer to it, and nobody would see it. None if there are no such rows."""
    for mapper in state.mapper.iterate_to_root():
        for each in _unseen.get(mapper, ()):
            if each.verb == verb and _has_rows(connection, state, each):
                name = mapper.class_.__name__
                what = "deletion" if verb == "DELETE" else "new key"
                rows = f"rows of {each.subject} with {each.rule}"
                return f"the {what} of a {name}, to which {rows} refer,"
    return None


def _has_rows(connection: Connection, state: InstanceState[Any], rule: Unseen) -> bool:
    query = select(literal(1)).select_from(rule.key.table)
    changed = rule.verb == "DELETE"
    for element in rule.key.elements:
        name = state.mapper.get_property_by_column(element.column).key
        history = state.get_history(name, PASSIVE_NO_INITIALIZE)
        changed = changed or bool(history.deleted)
        old = [*(history.deleted or ()), *(history.unchanged or ()), None]
        query = query.where(element.parent == old[0])
    return changed and connection.execute(query.limit(1)).first() is not None


def _columns(key: ForeignKeyConstraint) -> str:
    return ", ".join(column.name for column in key.columns)
