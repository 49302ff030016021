"""The steps around a flush and at the end of a transaction, each as one function.

`trivet.data.listeners` lists them in the order in which they run. Rows are looked at before the
flush writes them (`remember_old_row`) and after it has (`capture_changes`): before, foreign keys
and generated keys are not there yet; after, the old values are gone.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, inspect
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    SessionTransaction,
    UOWTransaction,
    object_session,
)

from trivet.audit.audited_tables import WHICH_IS_AUDITED, why_not_audited
from trivet.audit.capture import entries_of
from trivet.capture.old_values import read_old_row
from trivet.data.session import TrivetSession, UncapturedError, uncaptured
from trivet.data.statement_guard import only_reading
from trivet.events.feed_loading import load_computed, load_for_feeds, old_values
from trivet.events.feeds import Change, FeedFunction, Kind

Written = tuple[InstanceState[Any], Kind]


def refuse_writes_when_reading(session: TrivetSession, *_: Any) -> None:
    """A unit that only reads has nothing to flush."""
    session.require_unchanged()


def load_what_feeds_read(session: TrivetSession, *_: Any) -> None:
    """A feed may not ask the database, so what it may want is loaded before."""
    session.recorder.begin_flush()
    if session.capture.feeds:
        load_for_feeds(session, session.capture.feeds, session.recorder)


def refuse_half_captured(mapper: Mapper[Any], _connection: Connection, target: Any) -> None:
    """A class that was mapped after the start, or on another base, is captured whole or not
    written: what the start refuses for ours is looked at with its first row."""
    if mapper in _whole:
        return
    session = object_session(target)
    if isinstance(session, TrivetSession) and session.capture.audit is not None:
        reason = why_not_audited(mapper)
        if reason is not None:
            raise UncapturedError(reason)
        _whole.add(mapper)


_whole: WeakSet[Mapper[Any]] = WeakSet()
"""Classes whose rows the audit trail can note whole."""


def remember_updated_row(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Note the row of `target` while it still holds its old values."""
    _remember(mapper, connection, target, is_delete=False)


def remember_deleted_row(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Note the row of `target` while it is still there."""
    _remember(mapper, connection, target, is_delete=True)


def _remember(mapper: Mapper[Any], connection: Connection, target: Any, *, is_delete: bool) -> None:
    session = object_session(target)
    if not isinstance(session, TrivetSession):
        return
    is_fed = bool(session.capture.feeds.feeds_of(type(target)))
    if is_fed or session.capture.is_audited(mapper.local_table):
        state: InstanceState[Any] = inspect(target)
        row = read_old_row(connection, state, is_delete=is_delete, loads=is_fed and not is_delete)
        # The members of its many-to-many relationships were noted before the flush.
        members = session.recorder.old_row(state).members
        session.recorder.remember(state, replace(row, members=members))


def capture_changes(session: TrivetSession, flush: UOWTransaction) -> None:
    """Run the feeds on what this flush wrote, and note it for the audit trail."""
    written = list(_written(session, flush))
    if session.capture.feeds:
        for change in _changes(session, written):
            functions = session.capture.feeds.feeds_of(type(change.instance))
            if functions and change.kind != "delete":
                load_computed(change.instance)
            for function in functions:
                _run_feed(session, function, change)
    if session.capture.audit is not None:
        session.recorder.note_each(entries_of(session, written, session.recorder))


def _run_feed(session: TrivetSession, function: FeedFunction, change: Change[Any]) -> None:
    name = f"the feed {function.__name__} of {type(change.instance).__name__}"
    with session.recorder.feed_running(name):
        try:
            session.recorder.note_each(function(change))
        except Exception as error:
            error.add_note(f"raised by {name}, for its {change.kind}; nothing is committed")
            raise


def _written(session: TrivetSession, flush: UOWTransaction) -> Iterator[Written]:
    """The rows that this flush wrote, orphans included, which ``session.deleted`` never lists."""
    new = session.new
    # An instance is listed and not written if only its relationships were looked at.
    written = [(state, deleted) for state, (deleted, listed) in flush.states.items() if not listed]
    for state, is_delete in sorted(written, key=_order):
        instance = state.obj()
        if instance is not None:
            yield state, "delete" if is_delete else "insert" if instance in new else "update"


def _changes(session: TrivetSession, written: Iterable[Written]) -> Iterator[Change[Any]]:
    """The changes of columns, as feeds are given them."""
    for state, kind in written:
        old = {}
        if kind == "update":
            old = old_values(state, session.recorder.old_row(state))
        # A flush may have listed a row of which it changed nothing.
        if old or kind != "update":
            yield Change(kind, state.obj(), old, session.actor)


def _order(written: tuple[InstanceState[Any], bool]) -> tuple[Any, ...]:
    """The order of one flush's changes: what is new as it was added, then changes, then what
    is gone, both by class and key. SQLAlchemy's own collection is unordered."""
    state, is_delete = written
    if state.key is None:
        return (0, "", (state.insert_order,))
    return (2 if is_delete else 1, state.mapper.class_.__name__, state.key[1])


def refuse_sealed_commit(session: TrivetSession) -> None:
    """No service ends its transaction, also not by the transaction's own ``commit()``."""
    # SQLAlchemy announces the release of a savepoint as a commit too.
    if not session.in_nested_transaction():
        session.require_unsealed("commit")


def write_captured(session: TrivetSession) -> None:
    """Publications and entries are part of the transaction that they tell of."""
    if not session.in_nested_transaction():
        session.write_captured()


def mark_savepoint(session: TrivetSession, transaction: SessionTransaction) -> None:
    """Everything captured from here on belongs to the savepoint."""
    if transaction.nested:
        session.recorder.mark(transaction)


def cut_savepoint(session: TrivetSession, previous: SessionTransaction) -> None:
    """Forget everything captured in a savepoint that is rolled back: it did not happen."""
    session.recorder.cut(previous)


def forget_transaction(session: TrivetSession, transaction: SessionTransaction) -> None:
    """Nothing captured outlives its transaction."""
    if transaction.parent is None:
        session.recorder.end_transaction()


def refuse_bulk_writes(state: ORMExecuteState) -> None:
    """``update(Model)`` and ``delete(Model)`` change rows that no flush ever sees."""
    session = state.session
    if not (state.is_update or state.is_delete or state.is_insert):
        return
    assert isinstance(session, TrivetSession)
    if session.read_only:
        raise only_reading()
    mapper = state.bind_mapper
    if mapper is not None and session.capture.rules.rules_of(mapper.class_):
        raise uncaptured(f"a bulk statement on {mapper.class_.__name__}, which has rules,")
    if mapper is not None and session.capture.feeds.feeds_of(mapper.class_):
        raise uncaptured(f"a bulk statement on {mapper.class_.__name__}, which feeds channels,")
    table = getattr(state.statement, "table", None)
    if session.capture.is_audited(table):
        raise uncaptured(f"a bulk statement on {table}, {WHICH_IS_AUDITED},")
