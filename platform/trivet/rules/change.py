"""One change of one row, as a rule sees it before it is written.

At this moment the object does not yet hold defaults, expressions of SQL, and foreign keys that a
relationship sets. They are computed here, so that a rule sees the future values of the row. The
old values are those that the session has loaded; the others are read, in one statement, when a
rule asks for one.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from sqlalchemy import ClauseElement, Column, select
from sqlalchemy.orm import (
    CompositeProperty,
    InstanceState,
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    Session,
    SynonymProperty,
)
from sqlalchemy.orm.attributes import instance_state
from sqlalchemy.sql.elements import Null

from trivet.capture.old_values import columns_of, history_of, is_changed, known_before, read
from trivet.identity.identity import Identity

Kind = Literal["insert", "update", "delete"]
M = TypeVar("M")


class Values(NamedTuple):
    """The two values of a changed attribute.

    Attributes:
        old: The value before; None for a new row.
        new: The value that is about to be written.
    """

    old: Any
    new: Any


class Change(Generic[M]):
    """A row of `M` that is about to be written.

    Attributes:
        kind: ``insert``, ``update`` or ``delete``.
        instance: The object. Its attributes hold the new values already.
        actor: The identity that makes the change; None if nobody is known.
        session: The session, for a rule that has to look at other rows. A query sees the database
            without this change.
    """

    __slots__ = (
        "_changes",
        "_new",
        "_old",
        "_pending",
        "_state",
        "actor",
        "instance",
        "kind",
        "session",
    )

    def __init__(
        self, kind: Kind, instance: M, *, session: Session, actor: Identity | None = None
    ) -> None:
        self.kind: Kind = kind
        self.instance = instance
        self.session = session
        self.actor = actor
        self._state: InstanceState[Any] = instance_state(instance)
        # Foreign keys whose value is not known yet, because the other row is new as well.
        self._pending: set[str] = set()
        self._changes: Mapping[str, Values] | None = None
        self._old: Mapping[str, Any] | None = None
        self._new: Mapping[str, Any] | None = None

    @property
    def changes(self) -> Mapping[str, Values]:
        """The changed attributes with their values: columns and many-to-many relationships.

        A new row has all values that it gets; a row that is deleted has none.
        """
        if self._changes is None:
            self._changes = {} if self.kind == "delete" else self._find_changes()
        return self._changes

    def _find_changes(self) -> dict[str, Values]:
        found = self._new_columns() if self.kind == "insert" else self._changed_columns()
        found |= self._references()
        is_stored = self._state.key is not None
        changed: dict[str, Values] = {}
        for key, new in found.items():
            if isinstance(new, Null) and self.kind == "insert":
                changed[key] = Values(None, None)  # in place of a default: something that is given
                continue
            if isinstance(new, ClauseElement):
                new = self._evaluated(new)  # noqa: PLW2901  # the same value, evaluated
            old = self.old[key] if is_stored else None
            if old is not new and (key in self._pending or old != new):
                changed[key] = Values(old, new)
        for key in self._pending:
            changed.setdefault(key, Values(self._old_of(key), None))
        return changed | self._members()

    def _new_columns(self) -> dict[str, Any]:
        present = self._state.dict
        return {
            # SQLAlchemy writes the default of a None, too.
            key: given if (value := present.get(key)) is None else value
            for key, given in _defaults_of(self._mapper).items()
        }

    def _changed_columns(self) -> dict[str, Any]:
        # What was not set has no history; to ask for it costs more than all the rest.
        state, is_set = self._state, self._state.committed_state
        return {
            key: state.dict.get(key)
            for key in columns_of(self._mapper)
            if key in is_set and is_changed(state, key)
        }

    @property
    def old(self) -> Mapping[str, Any]:
        """The old values by attribute; None everywhere for a new row."""
        if self._old is None:
            self._old = self._known_row() or _OldValues(self)
        return self._old

    def _known_row(self) -> Mapping[str, Any] | None:
        """All values before an update, where the session knows them."""
        columns = columns_of(self._mapper)
        if self._state.key is None or not columns.keys() <= self._state.dict.keys():
            return None
        known = known_before(self._state, columns)
        return MappingProxyType(known) if len(known) == len(columns) else None

    @property
    def new(self) -> Mapping[str, Any]:
        """The new values by attribute; for a row that is deleted, its last values."""
        if self._new is None:
            self._new = self._whole_row() or _NewValues(self)
        return self._new

    def _whole_row(self) -> Mapping[str, Any] | None:
        """All values after an insert or an update, where they are known: rules ask for many."""
        changed = {key: values.new for key, values in self.changes.items()}
        columns = columns_of(self._mapper)
        if not changed.keys() <= columns.keys():
            return None
        if self.kind == "insert":
            return MappingProxyType(dict.fromkeys(columns) | changed)
        if type(self.old) is not MappingProxyType:
            return None
        return MappingProxyType({**self.old, **changed})

    def changed(self, *attributes: str) -> bool:
        """Whether one of some attributes gets another value.

        A relationship to one other row changes with its foreign key, a composite with its
        columns.

        Args:
            *attributes: Names of attributes of the class.

        Raises:
            AttributeError: The class has no such attribute, or the attribute is a collection of
                rows of another class, which have changes of their own.
        """
        # A loop, because every rule of a class asks this about every row of a batch.
        for name in attributes:  # noqa: SIM110  # as just said
            if self._is_changed(name):
                return True
        return False

    @property
    def _mapper(self) -> Mapper[Any]:
        return self._state.mapper

    def _is_changed(self, name: str) -> bool:
        if name in self.changes:
            return True
        if name in columns_of(self._mapper):
            return False
        attribute = self._mapper.attrs.get(name)
        if attribute is None:
            raise AttributeError(f"{self._mapper.class_.__name__} has no attribute {name!r}")
        match attribute:
            case SynonymProperty():
                return self._is_changed(attribute.name)
            case CompositeProperty():
                return any(each.key in self.changes for each in attribute.props)
            case RelationshipProperty() if _is_to_one(attribute):
                return any(key in self.changes for key, _ in _keys(self._mapper, attribute))
            case RelationshipProperty() if attribute.secondary is None:
                other = attribute.mapper.class_.__name__
                raise AttributeError(f"{name!r} holds rows of {other}: their changes are its own")
            case _:
                return False

    def _references(self) -> dict[str, Any]:
        """The foreign keys that relationships will set."""
        found: dict[str, Any] = {}
        for relationship in _references_of(self._mapper):
            if relationship.key not in self._state.committed_state:
                continue
            history = history_of(self._state, relationship.key)
            if not history.has_changes():
                continue
            other = history.added[0] if history.added else None
            for key, remote in _keys(self._mapper, relationship):
                found[key] = None if other is None else getattr(other, remote)
                if other is not None and found[key] is None:
                    self._pending.add(key)
        return found

    def _members(self) -> dict[str, Values]:
        found: dict[str, Values] = {}
        for relationship in _collections_of(self._mapper):
            attribute = self._state.attrs[relationship.key]
            # Objects that the other side added to an unloaded collection wait there.
            waits = relationship.key in self._state._pending_mutations  # noqa: SLF001  # as the feeds' old values do
            if waits or attribute.history.has_changes():
                history = attribute.load_history()
                kept = tuple(history.unchanged or ())
                old = (*kept, *(history.deleted or ()))
                found[relationship.key] = Values(old, (*kept, *(history.added or ())))
        return found

    def _old_of(self, key: str) -> Any:
        return None if self._state.key is None else self.old[key]

    def _evaluated(self, value: Any) -> Any:
        """The value of an expression that the database would compute."""
        expression: Any = value
        query = select(expression)
        if self._state.key is not None:
            same = zip(self._mapper.primary_key, self._state.key[1], strict=True)
            query = query.where(*(column == key for column, key in same))
        return self.session.connection().scalar(query)


class PlainChange(Change[M]):
    """The change of an instance with which nothing is to be found out: it has plain values, and no
    relationship of it was touched. `old` are the values of its row, None for a new one."""

    __slots__ = ()

    def __init__(
        self,
        kind: Kind,
        instance: M,
        old: Mapping[str, Any] | None,
        *,
        session: Session,
        actor: Identity | None,
    ) -> None:
        super().__init__(kind, instance, session=session, actor=actor)
        self._old = MappingProxyType(_nothing_of(self._mapper) if old is None else old)
        self._new = MappingProxyType(self._new_columns())

    def _find_changes(self) -> dict[str, Values]:
        state, new = self._state, self.new
        if self.kind == "insert":
            return {key: Values(None, value) for key, value in new.items() if value is not None}
        is_set = state.committed_state
        return {
            key: Values(is_set[key], new[key])
            for key in columns_of(self._mapper)
            if key in is_set and is_changed(state, key)
        }


class _OldValues(Mapping[str, Any]):
    """The old values that are known; the others are read together when one is asked for."""

    def __init__(self, change: Change[Any]) -> None:
        self._change = change
        self._known: dict[str, Any] = {}
        self._columns = columns_of(change._state.mapper)

    def __getitem__(self, key: str) -> Any:
        state = self._change._state
        # What was loaded and not set is asked for most: the other columns of the row.
        if key in state.dict and key not in state.committed_state and key in self._columns:
            return None if state.key is None else state.dict[key]
        if key not in self._known and not self._finds([key]):
            self._read_rest(key)
        return self._known[key]

    def __iter__(self) -> Iterator[str]:
        return iter(columns_of(self._change._mapper))  # noqa: SLF001

    def __len__(self) -> int:
        return len(columns_of(self._change._mapper))  # noqa: SLF001

    def _finds(self, keys: Iterable[str]) -> bool:
        """Take the values of `keys` that the session knows; whether it knows any."""
        state = self._change._state
        if state.key is None:
            return False
        columns = columns_of(state.mapper)
        found = known_before(state, [key for key in keys if key in columns])
        self._known |= found
        return bool(found)

    def _read_rest(self, key: str) -> None:
        state = self._change._state
        self._finds(columns_of(state.mapper))
        missing = [name for name in columns_of(state.mapper) if name not in self._known]
        if key not in missing:
            raise KeyError(key)
        identity = None if state.key is None else state.key[1]
        found = read(self._change.session.connection(), state.mapper, missing, identity)
        self._known.update({name: found.get(name) for name in missing})


class _NewValues(Mapping[str, Any]):
    """The new values: those that changed, and those that stay."""

    def __init__(self, change: Change[Any]) -> None:
        self._change = change

    def __getitem__(self, key: str) -> Any:
        changes = self._change.changes
        return changes[key].new if key in changes else self._change.old[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._change.old)

    def __len__(self) -> int:
        return len(self._change.old)


@cache
def _nothing_of(mapper: Mapper[Any]) -> Mapping[str, Any]:
    """The old values of a new row."""
    return dict.fromkeys(columns_of(mapper))


@cache
def _defaults_of(mapper: Mapper[Any]) -> Mapping[str, Any]:
    """What each column of a new row has that is not set."""
    return {key: _default_of(column) for key, column in columns_of(mapper).items()}


def _default_of(column: "Column[Any]") -> Any:
    """The plain default of a new row; None for a default that only the flush can compute."""
    default: Any = column.default
    return default.arg if default is not None and default.is_scalar else None


@cache  # classes stand in source code
def _references_of(mapper: Mapper[Any]) -> tuple[RelationshipProperty[Any], ...]:
    """The relationships that set foreign keys of the class."""
    every = mapper.relationships
    return tuple(each for each in every if not each.viewonly and _is_to_one(each))


@cache
def _collections_of(mapper: Mapper[Any]) -> tuple[RelationshipProperty[Any], ...]:
    """The many-to-many relationships of the class."""
    every = mapper.relationships
    return tuple(each for each in every if each.secondary is not None and not each.viewonly)


def _is_to_one(relationship: RelationshipProperty[Any]) -> bool:
    return relationship.direction is RelationshipDirection.MANYTOONE


def _keys(
    mapper: Mapper[Any], relationship: RelationshipProperty[Any]
) -> Iterator[tuple[str, str]]:
    """The attributes that hold the foreign key of `relationship`, with those that it refers to."""
    for local, remote in relationship.local_remote_pairs or ():
        if mapper.columns.contains_column(local):
            yield (
                mapper.get_property_by_column(local).key,
                relationship.mapper.get_property_by_column(remote).key,
            )
