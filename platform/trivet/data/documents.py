"""Changes inside documents and arrays, which SQLAlchemy does not see.

`flight.notes["gate"] = 7` changes the object that an attribute holds, and not the attribute.
SQLAlchemy would store nothing, and say nothing. So a session that writes keeps a copy of every JSON
document and array that it has loaded or stored. When a service returns, and before the commit, it
compares, and what is not the same is set as if it had been assigned: rules, feeds and the audit
trail see it like any other change.

The instance is kept with its copy, because SQLAlchemy forgets one that nobody holds and that looks
unchanged. A session that only reads keeps nothing.
"""

from collections.abc import Container, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, JSON
from sqlalchemy.orm import InstanceState, Mapper, Session
from sqlalchemy.orm.attributes import instance_state, set_committed_value
from sqlalchemy.orm.base import LoaderCallableStatus
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.capture.old_values import history_of
from trivet.models.types import json_form


@cache  # classes stand in source code
def attributes_of(mapper: Mapper[Any]) -> tuple[str, ...]:
    """The attributes of a class that hold documents or arrays."""
    return tuple(each.key for each in mapper.column_attrs if _is_document(each.columns[0].type))


def _is_document(kind: TypeEngine[Any]) -> bool:
    if isinstance(kind, TypeDecorator):
        return _is_document(kind.impl_instance)
    return isinstance(kind, JSON | ARRAY)


class Documents:
    """The documents of one session, as they were when they were loaded or stored."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Any, dict[str, Any]]] = {}

    def keep(self, target: Any, *, is_flushed: bool = False) -> None:
        """Keep copies of the documents of `target`; after a flush, of those that it has written."""
        state = instance_state(target)
        keys = attributes_of(state.mapper)
        if not keys:
            return
        copies: dict[str, Any] = {}
        if is_flushed and state.key is not None:
            _, copies = self._kept.get(id(target), (None, {}))
            keys = tuple(key for key in keys if _is_written(state, key))
        copies |= {key: deepcopy(state.dict[key]) for key in keys if key in state.dict}
        if copies:
            self._kept[id(target)] = (target, copies)

    def set_changed(self, session: Session) -> None:
        """Set each attribute of `session` of which the inside has changed."""
        for name, (target, copies) in list(self._kept.items()):
            if target not in session:
                del self._kept[name]
                continue
            _set_changed(target, copies, copies)

    def set_assigned(self, session: Session) -> None:
        """Do so for attributes that a flush is about to write because they were assigned: its old
        values are those that were loaded, as they were then."""
        for target in list(session.dirty):
            _, copies = self._kept.get(id(target), (None, {}))
            if copies:
                _set_changed(target, copies, instance_state(target).committed_state)


def _set_changed(target: Any, copies: Mapping[str, Any], among: Container[str]) -> None:
    state = instance_state(target)
    for key, was in copies.items():
        # What has expired is read again.
        if key in among and key in state.dict and _is_changed_inside(state, key, was):
            now = state.dict[key]
            set_committed_value(target, key, was)
            setattr(target, key, now)


def _is_changed_inside(state: InstanceState[Any], key: str, was: Any) -> bool:
    """Whether the object that was loaded is not as it was. What was assigned in its place is seen
    as it is; but SQLAlchemy compares the two, and if the old one has changed first, they may look
    the same: after ``crate.labels = crate.labels`` they are."""
    loaded = state.committed_state.get(key, state.dict[key])
    return not isinstance(loaded, LoaderCallableStatus) and json_form(was) != json_form(loaded)


def _is_written(state: InstanceState[Any], key: str) -> bool:
    return key in state.committed_state and history_of(state, key).has_changes()
