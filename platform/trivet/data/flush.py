"""The steps around a flush and at the end of a transaction, each as one function.

`trivet.data.listeners` lists them in the order in which they run. Rows are read before the flush
writes them (`remember_old_row`) and after it (`capture_changes`): before it, foreign keys and
generated keys do not exist yet; after it, the old values are gone.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from weakref import WeakSet

from sqlalchemy import Connection, Table
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    SessionTransaction,
    UOWTransaction,
    object_session,
)
from sqlalchemy.orm.attributes import instance_state

from trivet.audit.audited_tables import WHICH_IS_AUDITED, why_not_audited
from trivet.audit.capture import entries_of
from trivet.capture.following import PREFIX, cut_links, has_unseen, why_unseen
from trivet.capture.old_values import read_old_row
from trivet.capture.recorder import Recorder
from trivet.data.session import TrivetSession, UncapturedError, uncaptured
from trivet.data.statement_guard import only_reading
from trivet.events.feed_loading import load_computed, load_for_feeds, load_rest, old_values
from trivet.events.feeds import CapturedChange, Change, FeedFunction, Kind
from trivet.events.gone_rows import gone_rows_of
from trivet.identity.key_revocation import revocations_of
from trivet.models.views import find_reading

Written = tuple[InstanceState[Any], Kind]


def refuse_writes_when_reading(session: TrivetSession, *_: Any) -> None:
    """Refuse changes in a unit that only reads."""
    session.require_unchanged()


def load_what_feeds_read(session: TrivetSession, *_: Any) -> None:
    """Load what feeds may read of the instance, because they may not query the database."""
    session.recorder.begin_flush()
    if session.capture.feeds:
        load_for_feeds(session, session.capture.feeds, session.recorder)


def keep_loaded_documents(target: Any, *_: Any) -> None:
    """Keep the documents of an instance that was loaded or refreshed by a session that writes."""
    session = object_session(target)
    if isinstance(session, TrivetSession) and not session.read_only:
        session.documents.keep(target)


def see_assigned_documents(session: TrivetSession, *_: Any) -> None:
    """See what has changed inside the documents that are about to be replaced."""
    session.documents.set_assigned(session)


def keep_written_documents(session: TrivetSession, *_: Any) -> None:
    """Keep the documents of the instances that were just stored."""
    for target in (*session.new, *session.dirty):
        session.documents.keep(target, is_flushed=True)


def take_links_along(session: TrivetSession, *_: Any) -> None:
    """Cut links to rows that are about to be deleted, where no relationship of theirs does."""
    if session.deleted:
        cut_links(session)


def lock_what_goes_along(state: ORMExecuteState) -> None:
    """Lock the rows that go with one that is deleted, while they are read."""
    loads = state.is_relationship_load and state.is_select
    path = state.loader_strategy_path if loads else None
    if path is not None and str(getattr(path[-1], "key", "")).startswith(PREFIX):
        state.statement = state.statement.with_for_update()  # type: ignore[attr-defined]  # a Select


def refuse_unseen_updates(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Refuse a new key that the database would write into other rows by itself."""
    _refuse_unseen(mapper, connection, target, "UPDATE")


def refuse_unseen_deletes(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Refuse a deletion by which the database would change other rows as no session can."""
    _refuse_unseen(mapper, connection, target, "DELETE")


def _refuse_unseen(mapper: Mapper[Any], connection: Connection, target: Any, verb: str) -> None:
    if has_unseen(mapper) and isinstance(object_session(target), TrivetSession):
        reason = why_unseen(connection, instance_state(target), verb)
        if reason is not None:
            raise uncaptured(reason)


def refuse_half_captured(mapper: Mapper[Any], _connection: Connection, target: Any) -> None:
    """Refuse rows that are only read, and those that cannot be captured completely. The start
    checks our own classes; a class that was mapped later, or on another base, is checked with its
    first row."""
    if mapper in _whole:
        return
    only_read = find_reading(mapper)
    if only_read is not None and isinstance(mapper.local_table, Table):
        raise UncapturedError(f"{mapper.class_.__name__} is only read: {only_read}.")
    session = object_session(target)
    if isinstance(session, TrivetSession) and session.capture.audit is not None:
        reason = why_not_audited(mapper)
        if reason is not None:
            raise UncapturedError(reason)
        _whole.add(mapper)


_whole: WeakSet[Mapper[Any]] = WeakSet()
"""Classes whose rows the audit trail can note completely."""


def remember_updated_row(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Note the row of `target` before the update, while it holds its old values."""
    _remember(mapper, connection, target, is_delete=False)


def remember_deleted_row(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    """Note the row of `target` before the delete, while it exists."""
    _remember(mapper, connection, target, is_delete=True)


def _remember(mapper: Mapper[Any], connection: Connection, target: Any, *, is_delete: bool) -> None:
    session = object_session(target)
    if not isinstance(session, TrivetSession):
        return
    is_fed = bool(session.capture.feeds.feeds_of(type(target)))
    is_kept = is_delete and session.capture.judges_rows
    if is_fed or is_kept or session.capture.notes(mapper):
        state: InstanceState[Any] = instance_state(target)
        row = read_old_row(connection, state, is_delete=is_delete, loads=is_fed and not is_delete)
        # The members of its many-to-many relationships were noted before the flush.
        if members := session.recorder.old_row(state).members:
            row = replace(row, members=members)
        session.recorder.remember(state, row)


def capture_changes(session: TrivetSession, flush: UOWTransaction) -> None:
    """Run the feeds on the rows of this flush, note the rows for the audit trail, and keys that
    end."""
    capture_rows(session, list(_written(session, flush)))
    session.recorder.note_each(revocations_of(session, flush))


def capture_rows(session: TrivetSession, written: Sequence[Written]) -> None:
    """Run the feeds on rows that were written, and note them for the audit trail."""
    feeds = session.capture.feeds
    if feeds:
        fed = (each for each in written if feeds.feeds_of(each[0].class_))
        for change in _changes(session, fed):
            model = type(change.instance)
            if change.kind != "delete":
                load_computed(change.instance)
                if change.kind == "update" and feeds.shows_whole_rows(model):
                    load_rest(session, change.instance)
            run_feeds(session.recorder, feeds.feeds_of(model), change)
    if session.capture.judges_rows:
        session.recorder.note_each(gone_rows_of(written, session.recorder, session.dialect))
    if session.capture.audit is not None:
        session.recorder.note_each(entries_of(session.connection, written, session.recorder))


def run_feeds(recorder: Recorder, functions: Iterable[FeedFunction], change: Change[Any]) -> None:
    """Note what `functions` make of a change."""
    model: Any = type(change.instance)
    for function in functions:
        name = _name_of(function, model)
        recorder.running_feed = name  # it may not ask the database anything
        try:
            recorder.note_each(function(change))
        except Exception as error:
            error.add_note(f"raised by {name}, for its {change.kind}; nothing is committed")
            raise
        finally:
            recorder.running_feed = None


@cache  # both stand in source code
def _name_of(function: Any, model: Any) -> str:
    return f"the feed {function.__name__} of {model.__name__}"


def _written(session: TrivetSession, flush: UOWTransaction) -> Iterator[Written]:
    """The rows that this flush wrote, orphans included, which ``session.deleted`` never lists."""
    new = session.new
    # An instance is listed but not written if only its relationships were read.
    written = [(state, deleted) for state, (deleted, listed) in flush.states.items() if not listed]
    for state, is_delete in sorted(written, key=lambda each: order_of(*each)):
        instance = state.obj()
        if instance is not None:
            yield state, "delete" if is_delete else "insert" if instance in new else "update"


def _changes(session: TrivetSession, written: Iterable[Written]) -> Iterator[Change[Any]]:
    """The changes of columns, in the form of the feeds."""
    for state, kind in written:
        old = {}
        if kind == "update":
            old = old_values(state, session.recorder.old_row(state))
        # A flush may list a row that it did not change.
        if old or kind != "update":
            before = session.recorder.old_row(state).values
            yield CapturedChange(
                kind, state.obj(), old, session.actor, before=before, dialect=session.dialect
            )


def order_of(state: InstanceState[Any], is_delete: bool = False) -> tuple[Any, ...]:
    """The order of one flush's changes: new rows in the order in which they were added, then
    changed rows, then deleted rows, both by class and key. SQLAlchemy's collection is unordered."""
    if state.key is None:
        return (0, "", (state.insert_order,))
    return (
        2 if is_delete else 1,
        state.mapper.class_.__name__,
        _sortable(state.mapper, state.key[1]),
    )


def _sortable(mapper: Mapper[Any], key: tuple[Any, ...]) -> tuple[Any, ...]:
    orders = _orders(mapper)
    if not orders:
        return key
    return tuple(order(value) if order else value for order, value in zip(orders, key, strict=True))


@cache
def _orders(mapper: Mapper[Any]) -> tuple[Callable[[Any], Any] | None, ...]:
    """What makes the values of each column of a key sortable, as members of an enum are not by
    themselves; nothing, if all are."""
    orders = tuple(column.type.sort_key_function for column in mapper.primary_key)
    return orders if any(orders) else ()


def refuse_sealed_commit(session: TrivetSession) -> None:
    """Refuse a service that ends its transaction, also by the transaction's ``commit()``."""
    # SQLAlchemy announces the release of a savepoint as a commit too.
    if not session.in_nested_transaction():
        session.require_unsealed("commit")


def write_captured(session: TrivetSession) -> None:
    """Write publications and entries in the transaction of their changes."""
    if not session.in_nested_transaction():
        session.write_captured()


def mark_savepoint(session: TrivetSession, transaction: SessionTransaction) -> None:
    """Mark the captures before a savepoint: later ones belong to it."""
    if transaction.nested:
        session.recorder.mark(transaction)


def cut_savepoint(session: TrivetSession, previous: SessionTransaction) -> None:
    """Forget the captures of a savepoint that was rolled back."""
    session.recorder.cut(previous)


def forget_transaction(session: TrivetSession, transaction: SessionTransaction) -> None:
    """Forget the captures at the end of the transaction."""
    if transaction.parent is None:
        session.recorder.end_transaction()


def refuse_bulk_writes(state: ORMExecuteState) -> None:
    """Refuse ``update(Model)`` and ``delete(Model)`` with a condition, and other statements than
    those of `trivet.data.bulk.rows`: they change rows that no flush sees."""
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
