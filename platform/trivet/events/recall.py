"""The former values of what a flush changes, also where nobody had loaded them.

SQLAlchemy knows the old value of an attribute if it was loaded when it was set. A deferred or
expired attribute, or an instance that was made persistent by hand, has none, and a change
without its old value is half told. What is missing is read just before the UPDATE, while the
row still holds it: one statement for each such row, none for the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Connection, event, inspect, select
from sqlalchemy.orm import AttributeState, InstanceState, Mapper, object_session
from sqlalchemy.orm.attributes import set_committed_value

from trivet.model import Model

if TYPE_CHECKING:
    from trivet.session import TrivetSession


def freshen(session: "TrivetSession") -> None:
    """Load what the feeds may want of fed instances that are about to be written, because a
    feed may not ask the database: the columns of a row that goes, and who the members of a
    many-to-many relationship were."""
    for instance in session.deleted:
        if session.feeds.feeds_of(type(instance)):
            complete(instance)
    for instance in session.dirty:
        if session.feeds.feeds_of(type(instance)):
            _recall_members(session, inspect(instance))


def complete(instance: Any) -> None:
    """Read back what the database computed in this flush (an expression, a default), because
    a feed may not ask for it. A row that changed its key is found again only after the flush."""
    state: InstanceState[Any] = inspect(instance)
    expired = state.expired_attributes.intersection(_columns(state.mapper))
    if expired and state.identity in (
        None,
        tuple(state.mapper.primary_key_from_instance(instance)),
    ):
        getattr(instance, min(expired))  # one loads all


def old_values(state: InstanceState[Any], recalled: Mapping[str, Any]) -> dict[str, Any]:
    """The former values of what this flush changed of a row: of its columns, and the members
    of its many-to-many relationships, by their keys."""
    old = dict(recalled)
    for attribute in state.mapper.column_attrs:
        history = state.attrs[attribute.key].history
        if attribute.key not in old and history.has_changes():
            old[attribute.key] = history.deleted[0] if history.deleted else None
    return old


@event.listens_for(Model, "before_update", propagate=True)
def _recall(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Note the old value of every column that changes, before the UPDATE overwrites it. After
    it, a column that was set to an expression of SQL would look as if it had not changed."""
    session: Any = object_session(target)
    feeds = getattr(session, "feeds", None)
    if feeds is None or not feeds.feeds_of(type(target)):
        return
    state: InstanceState[Any] = inspect(target)
    changed = {key: old for key, old in _changed_columns(state) if old is not _UNKNOWN}
    unknown = [key for key, old in _changed_columns(state) if old is _UNKNOWN]
    # An attribute that was set counts as expired still; what was set stays.
    expired = [key for key in _columns(mapper) if key in state.expired_attributes & state.unloaded]
    found = _read(mapper, connection, state, [*unknown, *expired])
    for key in expired:
        set_committed_value(target, key, found[key])
    changed |= {key: found[key] for key in unknown}
    if changed:
        session.recalled.setdefault(state, {}).update(changed)


_UNKNOWN = object()


def _columns(mapper: Mapper[Any]) -> Iterator[str]:
    """The attributes that are columns, and no expressions over them."""
    for attribute in mapper.column_attrs:
        if isinstance(attribute.columns[0], Column):
            yield attribute.key


def _changed_columns(state: InstanceState[Any]) -> Iterator[tuple[str, Any]]:
    for key in _columns(state.mapper):
        history = state.attrs[key].history
        if history.has_changes():
            yield key, history.deleted[0] if history.deleted else _UNKNOWN


def _read(
    mapper: Mapper[Any], connection: Connection, state: InstanceState[Any], keys: Sequence[str]
) -> Mapping[str, Any]:
    """The values of `keys` that the row of `state` has in the database."""
    if not keys or state.key is None:
        return dict.fromkeys(keys)
    # Numbered, because a label like the name would clash with it in a result of joined tables.
    columns = [mapper.column_attrs[key].columns[0].label(f"old_{n}") for n, key in enumerate(keys)]
    query = select(*columns).select_from(mapper.persist_selectable)
    for column, value in zip(mapper.primary_key, state.key[1], strict=True):
        query = query.where(column == value)
    row = connection.execute(query).one_or_none()
    # Without a row the UPDATE is about to fail, and says why.
    return dict.fromkeys(keys) if row is None else dict(zip(keys, row, strict=True))


def _recall_members(session: "TrivetSession", state: InstanceState[Any]) -> None:
    for relationship in state.mapper.relationships:
        if relationship.secondary is None or relationship.viewonly or state.key is None:
            continue
        attribute: AttributeState = state.attrs[relationship.key]
        # What the other side of a relationship adds to an unloaded collection waits there.
        waits = relationship.key in state._pending_mutations  # noqa: SLF001  # pinned by a test
        if waits or attribute.history.has_changes():
            history = attribute.load_history()
            former = [*(history.unchanged or ()), *(history.deleted or ())]
            session.recalled.setdefault(state, {})[relationship.key] = tuple(map(_key, former))


def _key(instance: Any) -> Any:
    values = inspect(instance).mapper.primary_key_from_instance(instance)
    return values[0] if len(values) == 1 else tuple(values)
