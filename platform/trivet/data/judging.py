"""The judgement of changes by the rules, in the flush, before anything is written.

A flush is judged as a whole before its first statement. A few changes arise only within it: an
orphaned child is deleted, a foreign key follows a new parent. So each row of a class with rules is
checked again just before it is written, and judged again if its values differ from those that were
judged.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy.orm import InstanceState, object_session
from sqlalchemy.orm.attributes import instance_state

from trivet.data.bounds import bounds_of, fit, fit_pending
from trivet.data.session import TrivetSession
from trivet.errors import TrivetError
from trivet.rules import Change
from trivet.rules.change import Kind, PlainChange


def fill_tenants(session: TrivetSession, *_: Any) -> None:
    """Give new rows their tenants, where they name none. A listener of ``before_flush``."""
    session.capture.rules.tenants.fill(session, session.actor)


def judge_flush(session: TrivetSession, *_: Any) -> None:
    """Judge the changes that `session` is about to flush. A listener of ``before_flush``."""
    if not session.capture.rules.judges:
        return
    for kind, instance in _pending(session):
        _judge(session, kind, instance)


def judge_insert(_mapper: Any, _connection: Any, target: Any) -> None:
    """Judge a row that the flush itself has changed. A listener of ``before_insert``."""
    _judge_again("insert", target)


def judge_update(_mapper: Any, _connection: Any, target: Any) -> None:
    """The same for ``before_update``."""
    _judge_again("update", target)


def judge_delete(_mapper: Any, _connection: Any, target: Any) -> None:
    """The same for ``before_delete``: orphans appear only here."""
    _judge_again("delete", target)


def _pending(session: TrivetSession) -> Iterator[tuple[Kind, Any]]:
    of = session.capture.rules.rules_of
    for instance in list(session.new):
        if of(type(instance)):
            yield "insert", instance
    for instance in list(session.dirty):
        if of(type(instance)):
            yield "update", instance
    for instance in list(session.deleted):
        if of(type(instance)):
            yield "delete", instance


def _judge_again(kind: Kind, target: Any) -> None:
    session = object_session(target)
    if not isinstance(session, TrivetSession) or not session.capture.rules.rules_of(type(target)):
        return
    if not session.recorder.is_as_judged(instance_state(target), kind):
        _judge(session, kind, target)


def _judge(session: TrivetSession, kind: Kind, instance: Any) -> None:
    state = instance_state(instance)
    if kind != "delete":
        fit_pending(session, state)  # a rule sees what can be stored
    session.recorder.note_judged(state, kind)
    change: Change[Any] = Change(kind, instance, session=session, actor=session.actor)
    if kind == "update" and not change.changes:
        return
    new = {key: values.new for key, values in change.changes.items()}
    if not session.recorder.judge_once(state, (kind, new)):
        return
    for each in session.capture.rules.rules_of(type(instance)):
        if each.concerns(change):
            _ask(each.function, change)


def judge_light(
    session: TrivetSession, kind: Kind, rows: Iterable[tuple[Any, Mapping[str, Any] | None]]
) -> None:
    """Fit the values of rows without objects (`trivet.data.bulk.light_rows`), and ask the rules of
    their class; beside each row are the values that it has, None for a new one."""
    for instance, old in rows:
        state = instance_state(instance)
        _judge_light(session, kind, state, old)
        if state.modified:  # a rule has set something
            _judge_light(session, kind, state, old)


def _judge_light(
    session: TrivetSession, kind: Kind, state: InstanceState[Any], old: Mapping[str, Any] | None
) -> None:
    bounds = bounds_of(state.mapper, session.dialect)
    fit(
        session.recorder, state, bounds, list(bounds.fits if old is None else state.committed_state)
    )
    rules = session.capture.rules.rules_of(state.class_)
    if rules:
        change = PlainChange(kind, state.obj(), old, session=session, actor=session.actor)
        if old is None or change.changes:
            for each in rules:
                if each.concerns(change):
                    _ask(each.function, change)


def _ask(function: Any, change: Change[Any]) -> None:
    mapped = type(change.instance)
    try:
        function(change)
    except TrivetError as error:
        error.subject = error.subject or mapped
        raise
    except Exception as error:
        error.add_note(f"raised by the rule {function.__qualname__} of {mapped.__name__}")
        raise
