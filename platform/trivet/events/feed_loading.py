"""The loading of all values that a feed may read of an instance, before it runs: a feed may not
query the database."""

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import AttributeState, InstanceState, Session

from trivet.capture.old_values import OldRow, columns_of, history_of, load, read
from trivet.capture.recorder import Recorder
from trivet.events.feeds import FeedRegistry


def load_for_feeds(session: Session, feeds: FeedRegistry, recorder: Recorder) -> None:
    """Load values that `feeds` may read of instances before they are written: the columns of a row
    that is deleted, and the old members of a many-to-many relationship."""
    for instance in session.deleted:
        if feeds.feeds_of(type(instance)):
            load_computed(instance)
    for instance in session.dirty:
        if feeds.feeds_of(type(instance)):
            state: InstanceState[Any] = inspect(instance)
            if members := _old_members(state):
                recorder.remember(state, OldRow(members=members))


def load_computed(instance: Any) -> None:
    """Read values that the database computed in this flush (an expression, a default). A row that
    changed its key is found only after the flush."""
    state: InstanceState[Any] = inspect(instance)
    expired = state.expired_attributes.intersection(columns_of(state.mapper))
    if expired and state.identity in (
        None,
        tuple(state.mapper.primary_key_from_instance(instance)),
    ):
        getattr(instance, min(expired))  # one attribute loads all of them


def load_rest(session: Session, instance: Any) -> None:
    """Read the columns of a changed row that nobody has loaded, for a feed that shows all."""
    state: InstanceState[Any] = inspect(instance)
    missing = [key for key in columns_of(state.mapper) if key not in state.dict]
    if missing:
        identity = state.mapper.primary_key_from_instance(instance)
        load(state, read(session.connection(), state.mapper, missing, identity))


def old_values(state: InstanceState[Any], row: OldRow) -> dict[str, Any]:
    """The old values of a row that this flush changed: its columns, and the keys of the members
    of its many-to-many relationships."""
    old = {key: row.values.get(key) for key in row.changed} | dict(row.members)
    for key in state.committed_state:
        # Values that the flush itself set, after the old row was noted.
        if key in old or key not in state.mapper.column_attrs:
            continue
        history = history_of(state, key)
        if history.has_changes():
            old[key] = history.deleted[0] if history.deleted else None
    return old


def _old_members(state: InstanceState[Any]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for relationship in state.mapper.relationships:
        if relationship.secondary is None or relationship.viewonly or state.key is None:
            continue
        attribute: AttributeState = state.attrs[relationship.key]
        # Objects that the other side added to an unloaded collection wait there.
        waits = relationship.key in state._pending_mutations  # noqa: SLF001  # pinned by a test
        if waits or attribute.history.has_changes():
            history = attribute.load_history()
            old = [*(history.unchanged or ()), *(history.deleted or ())]
            members[relationship.key] = tuple(map(_key, old))
    return members


def _key(instance: Any) -> Any:
    values = inspect(instance).mapper.primary_key_from_instance(instance)
    return values[0] if len(values) == 1 else tuple(values)
