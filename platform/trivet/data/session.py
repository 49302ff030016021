"""The one Session class of every door, and the one place where changes are captured.

The API's AsyncSession wraps it, the admin binds it to Django's own connection, commands
open it directly. Whatever is flushed passes `_capture`: what the feeds make of it is written as
publications in the same transaction (`trivet.events.outbox`), and what became of which
fields as entries of the audit trail (`trivet.audit`).

What would slip past the capture is refused: bulk writes of fed and audited models, raw writes
of their tables (`trivet.data.statement_guard`), and ``commit()`` inside a service, which would
end a transaction that is not the service's.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event, inspect
from sqlalchemy.orm import (
    InstanceState,
    Mapper,
    ORMExecuteState,
    Session,
    SessionTransaction,
    UOWTransaction,
    object_session,
)

from trivet.audit import capture
from trivet.audit.entry import Author, Entry
from trivet.audit.trail import AuditTrail
from trivet.capture.old_values import Former
from trivet.capture.old_values import recall as recall_row
from trivet.context import current_origin
from trivet.data import feed_loading as recall
from trivet.data.statement_guard import ReadOnlyError, claim, only_reading, uncaptured
from trivet.events import outbox
from trivet.events.feeds import (
    Change,
    FeedFunction,
    FeedRegistry,
    Kind,
    Publication,
    encode_event,
)
from trivet.identity.identity import ANONYMOUS, Identity
from trivet.models.base import Model

if TYPE_CHECKING:
    from trivet.context import RequestContext


class TrivetSession(Session):
    """A Session that captures what it writes and publishes it with the commit.

    `feeds` says what becomes of the changes, and `audit` notes them. `context` is the
    request that the work belongs to, if any, and its identity the actor of the changes. A
    session with `read_only` refuses to flush a change.
    """

    def __init__(
        self,
        *args: Any,
        feeds: FeedRegistry | None = None,
        audit: AuditTrail | None = None,
        context: "RequestContext | None" = None,
        actor: Identity | None = None,
        read_only: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.feeds = feeds or FeedRegistry()
        self.audit = audit
        self.context = context
        self.read_only = read_only
        # One list of both, so that a savepoint that is rolled back cuts both at one mark.
        self.pending: list[Publication | Entry] = []
        self.former: dict[InstanceState[Any], Former] = {}
        self.published: dict[str, int] = {}
        self.telling: str | None = None
        self.reading: Connection | None = None
        self._actor = actor
        self._sealed = 0
        # Kept until all is over, because a rolled-back savepoint is announced after its end.
        self.marks: dict[SessionTransaction, int] = {}

    @property
    def actor(self) -> Identity | None:
        """Who makes these changes, as far as anyone is known."""
        if self._actor is None and self.context is not None:
            return self.context.identity
        return self._actor

    @property
    def author(self) -> Author:
        """Whom the audit trail names for these changes."""
        actor, context = self.actor or ANONYMOUS, self.context
        return Author(
            actor_id=actor.user_id,
            actor=actor.username,
            actor_kind=actor.kind,
            credential=actor.credential_id,
            origin=current_origin() if context is None else context.mount or "root",
            request_id="" if context is None else context.request_id,
        )

    def pending_mark(self) -> int:
        """A mark to cut back to, for a savepoint that SQLAlchemy does not see."""
        return len(self.pending)

    def cut_pending(self, mark: int) -> None:
        """Forget what was captured since `mark`: its savepoint was rolled back."""
        del self.pending[mark:]

    def write_publications(self) -> None:
        """Flush, and write every captured publication and audit entry. The last act before a
        commit, in this order always: a chain of the trail is the last lock that is taken.

        `published` then holds each channel's newest offset, for the bell.
        """
        self.flush()
        publications = [each for each in self.pending if isinstance(each, Publication)]
        entries = [each for each in self.pending if isinstance(each, Entry)]
        self.pending.clear()
        if publications:
            messages = [(p.channel, encode_event(p.event)) for p in publications]
            for channel, position in outbox.append(self, messages).items():
                self.published[channel] = position.offset
        if entries and self.audit is not None:
            self.audit.append(self, entries, self.author)

    def require_unchanged(self) -> None:
        """Raise ReadOnlyError if this session only reads and something in it was changed."""
        if self.read_only and (self.new or self.deleted or self.dirty):
            raise ReadOnlyError(
                "this unit of work is read-only, because the request's method is safe; write in "
                "a POST, PUT, PATCH or DELETE, or open a unit of its own for it"
            )

    @contextmanager
    def sealed(self) -> Iterator[None]:
        """While this is open, ``commit()`` and ``rollback()`` are refused."""
        self._sealed += 1
        try:
            yield
        finally:
            self._sealed -= 1

    def commit(self) -> None:
        self._refuse_when_sealed("commit")
        super().commit()

    def rollback(self) -> None:
        self._refuse_when_sealed("rollback")
        super().rollback()

    def bulk_save_objects(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_save_objects()")

    def bulk_insert_mappings(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_insert_mappings()")

    def bulk_update_mappings(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_update_mappings()")

    def _refuse_when_sealed(self, verb: str) -> None:
        if self._sealed:
            raise RuntimeError(
                f"a service may not {verb}: the unit of work it runs in decides that. Raise an "
                "error to roll back, or use begin_nested() for a part that may fail"
            )


@event.listens_for(TrivetSession, "before_flush")
def _refuse_writes_when_reading(session: TrivetSession, *_: Any) -> None:
    session.require_unchanged()


@event.listens_for(TrivetSession, "before_flush")
def _freshen(session: TrivetSession, *_: Any) -> None:
    session.former.clear()
    if session.feeds:
        recall.freshen(session)


@event.listens_for(Model, "before_update", propagate=True)
def _remember_updated(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    _remember(mapper, connection, target, is_delete=False)


@event.listens_for(Model, "before_delete", propagate=True)
def _remember_deleted(mapper: Mapper[Any], connection: Connection, target: Any) -> None:
    _remember(mapper, connection, target, is_delete=True)


def _remember(mapper: Mapper[Any], connection: Connection, target: Any, *, is_delete: bool) -> None:
    session = object_session(target)
    if not isinstance(session, TrivetSession):
        return
    is_fed = bool(session.feeds.feeds_of(type(target)))
    if is_fed or (session.audit is not None and capture.is_audited(mapper.local_table)):
        state: InstanceState[Any] = inspect(target)
        former = recall_row(connection, state, is_delete=is_delete, loads=is_fed and not is_delete)
        if (noted := session.former.get(state)) is not None:
            former = replace(former, members=noted.members)
        session.former[state] = former


@event.listens_for(TrivetSession, "after_flush")
def _capture(session: TrivetSession, flush: UOWTransaction) -> None:
    written = list(_written(session, flush))
    if session.feeds:
        for change in _changes(session, written):
            functions = session.feeds.feeds_of(type(change.instance))
            if functions and change.kind != "delete":
                recall.complete(change.instance)
            for function in functions:
                _tell(session, function, change)
    if session.audit is not None:
        session.pending.extend(capture.entries_of(session, written, session.former))


def _tell(session: TrivetSession, function: FeedFunction, change: Change[Any]) -> None:
    session.telling = f"the feed {function.__name__} of {type(change.instance).__name__}"
    try:
        session.pending.extend(function(change))
    except Exception as error:
        error.add_note(f"raised by {session.telling}, for its {change.kind}; nothing is committed")
        raise
    finally:
        session.telling = None


def _written(
    session: TrivetSession, flush: UOWTransaction
) -> Iterator[tuple[InstanceState[Any], Kind]]:
    """What this flush wrote, orphans included, which ``session.deleted`` never lists."""
    new = session.new
    written = [(state, deleted) for state, (deleted, listed) in flush.states.items() if not listed]
    for state, is_delete in sorted(written, key=_order):
        instance = state.obj()
        if instance is not None:
            yield state, "delete" if is_delete else "insert" if instance in new else "update"


def _changes(
    session: TrivetSession, written: Iterable[tuple[InstanceState[Any], Kind]]
) -> Iterator[Change[Any]]:
    """The changes of columns, as feeds are told of them."""
    actor = session.actor
    for state, kind in written:
        old = {}
        if kind == "update":
            old = recall.old_values(state, session.former.get(state, Former()))
        if old or kind != "update":
            yield Change(kind, state.obj(), old, actor)


def _order(written: tuple[InstanceState[Any], bool]) -> tuple[Any, ...]:
    """The order in which one flush is told: what is new as it was added, then changes, then
    what is gone, both by class and key. SQLAlchemy's own collection is unordered."""
    state, is_delete = written
    if state.key is None:
        return (0, "", (state.insert_order,))
    return (2 if is_delete else 1, state.mapper.class_.__name__, state.key[1])


@event.listens_for(TrivetSession, "before_commit")
def _publish(session: TrivetSession) -> None:
    # SQLAlchemy announces the release of a savepoint as a commit too.
    if not session.in_nested_transaction():
        session.write_publications()


@event.listens_for(TrivetSession, "after_transaction_create")
def _mark(session: TrivetSession, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.marks[transaction] = len(session.pending)


@event.listens_for(TrivetSession, "after_transaction_end")
def _forget(session: TrivetSession, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.pending.clear()
        session.marks.clear()
        session.reading = None


@event.listens_for(TrivetSession, "after_soft_rollback")
def _cut(session: TrivetSession, previous: SessionTransaction) -> None:
    mark = session.marks.get(previous)
    if mark is not None:
        session.cut_pending(mark)


@event.listens_for(TrivetSession, "do_orm_execute")
def _refuse_bulk_writes(state: ORMExecuteState) -> None:
    """``update(Model)`` and ``delete(Model)`` change rows that no flush ever sees."""
    session = state.session
    if not (state.is_update or state.is_delete or state.is_insert):
        return
    assert isinstance(session, TrivetSession)
    if session.read_only:
        raise only_reading()
    mapper = state.bind_mapper
    if mapper is not None and session.feeds.feeds_of(mapper.class_):
        raise uncaptured(f"a bulk statement on {mapper.class_.__name__}, which feeds channels,")
    if session.audit is not None and capture.is_audited(getattr(state.statement, "table", None)):
        raise uncaptured(f"a bulk statement on {state.statement.table}, which is audited,")  # type: ignore[attr-defined]  # just read


event.listen(TrivetSession, "after_begin", claim)
