"""The unit of work inside a Django transaction: one TrivetSession, never committed itself."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from sqlalchemy.exc import SQLAlchemyError

from trivet.context import current_context
from trivet.data.session import TrivetSession
from trivet.identity import system
from trivet_admin import runtime
from trivet_admin.backends.shared_connection import share
from trivet_admin.errors.to_django import raise_for_django

T = TypeVar("T")


class DjangoUnit:
    """A session on the transaction that `connection` has open.

    Whatever it holds is flushed before Django reads, and its publications are written just
    before Django commits. An error in it never lets the transaction commit what was only
    half flushed: `connection` is marked for rollback.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection: Any = connection
        wrapper: Any = connection
        self._borrowed = share(connection.vendor, connection.connection)
        context = current_context()
        self.session = TrivetSession(
            bind=self._borrowed,
            feeds=runtime.feeds(),
            audit=runtime.audit(),
            context=context,
            actor=wrapper.actor or (None if context is not None else system("django")),
            read_only=wrapper.read_only,
            expire_on_commit=False,
        )
        self._seal = ExitStack()
        self._seal.enter_context(self.session.sealed())
        self._marks: dict[str, int] = {}
        self._flushing = False

    def flush(self) -> None:
        """Send what is pending to the database; raises Django's errors."""
        if self._flushing:
            return
        self._flushing = True
        try:
            with self.translated():
                self.session.flush()
        finally:
            self._flushing = False

    def run(self, work: Callable[[TrivetSession], T]) -> T:
        """Run `work` with the session. An error of the database that leaves it, and that its
        caller may swallow, keeps the transaction from being committed."""
        try:
            return work(self.session)
        except SQLAlchemyError as error:
            self._forget_failed_work()
            self._mark_failed(error)
            raise

    def write_publications(self) -> None:
        """The last act before the COMMIT."""
        with self.translated():
            self.session.write_publications()

    @contextmanager
    def translated(self) -> Iterator[TrivetSession]:
        """Work with the session; its errors leave as Django's, and mark the transaction."""
        try:
            yield self.session
        except Exception as error:
            self._forget_failed_work()
            self._mark_failed(error)
            if isinstance(error, SQLAlchemyError):
                raise_for_django(error, self._connection)
            raise

    def set_mark(self, savepoint: str) -> None:
        """Remember what was captured before `savepoint`; what is pending is flushed first,
        or it would be undone with the savepoint though it came before."""
        self.flush()
        self._marks[savepoint] = self.session.pending_mark()

    def return_to_mark(self, savepoint: str) -> None:
        """Forget what was read and captured since `savepoint`: the database has it no more.

        A savepoint older than this unit goes back to the beginning of the unit.
        """
        self.session.expunge_all()
        self.session.cut_pending(self._marks.get(savepoint, 0))

    def end(self) -> dict[str, int]:
        """Let go of the connection; returns the channels that were published to, each with
        its newest offset."""
        self._seal.close()
        self.session.close()
        self._borrowed.close()
        return self.session.published

    def _mark_failed(self, error: Exception) -> None:
        if self._connection.in_atomic_block:
            # PostgreSQL would turn the COMMIT of a failed transaction into a silent
            # ROLLBACK, and SQLite would commit half of a flush.
            self._connection.set_rollback(True)
            self._connection.rollback_exc = error

    def _forget_failed_work(self) -> None:
        """Make the session usable again after a failed flush.

        Its rollback reaches no database, because the connection is lent; it would clear the
        publications of earlier savepoints, which are still to be committed.
        """
        pending = list(self.session.pending)
        self._seal.close()
        self.session.rollback()
        self._seal.enter_context(self.session.sealed())
        self.session.pending[:] = pending
        self.session.expunge_all()
