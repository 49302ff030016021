"""A transaction of Django's with a TrivetSession in it, which is never committed itself."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from trivet.data.bounds import OutOfBoundsError
from trivet.data.compiled_read import CompiledRead, Rows
from trivet.data.session import TrivetSession
from trivet.data.unit_of_work import UnitOfWork
from trivet.identity import system
from trivet.origin import Origin, current_origin
from trivet_admin import runtime
from trivet_admin.backends.shared_connection import share
from trivet_admin.errors.to_django import raise_for_django

T = TypeVar("T")


class SharedTransaction:
    """A session on the transaction that `connection` has open; what a view's `UnitOfWork`
    stands on.

    Whatever it holds is flushed before Django reads, and what it captured is written just
    before Django commits. An error in it never lets the transaction commit what was only
    half flushed: `connection` is marked for rollback.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection: Any = connection
        wrapper: Any = connection
        self.origin = _named(wrapper.origin or current_origin())
        self.read_only: bool = wrapper.read_only
        self._borrowed = share(connection.vendor, connection.connection)
        self.session = TrivetSession(
            bind=self._borrowed,
            capture=runtime.capture(),
            origin=self.origin,
            read_only=self.read_only,
            expire_on_commit=False,
        )
        self._seal = self.session.seal()
        self._flushing = False
        self.unit: UnitOfWork[Session] = UnitOfWork(self)

    @property
    def published(self) -> Mapping[str, int]:
        """The channels that were published to, each with its newest offset."""
        return self.session.published

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

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` with the session, and flush. An error of the database or of a flush that
        leaves it, and that its caller may swallow, keeps the transaction from being committed."""
        try:
            return self.session.run(work)
        except Exception as error:
            # A flush that failed may have written half of it.
            if isinstance(error, SQLAlchemyError) or not self.session.is_active:
                self._forget_failed_work()
                self._mark_failed(error)
            raise

    run_with_django = run

    def ask(self, read: CompiledRead, values: Mapping[str, Any]) -> Rows:
        """The rows of a query that was compiled once."""
        return self.run(lambda db: read.rows(db, values))

    def write_captured(self) -> None:
        """The last act before the COMMIT."""
        with self.translated():
            self.session.write_captured()

    @contextmanager
    def translated(self) -> Iterator[TrivetSession]:
        """Work with the session; its errors leave as Django's, and mark the transaction."""
        try:
            yield self.session
        except Exception as error:
            self._forget_failed_work()
            self._mark_failed(error)
            if isinstance(error, SQLAlchemyError | OutOfBoundsError):
                raise_for_django(error, self._connection)
            raise

    def set_mark(self, savepoint: str) -> None:
        """Remember what was captured before `savepoint`; what is pending is flushed first,
        or it would be undone with the savepoint though it came before."""
        self.flush()
        self.session.recorder.mark(savepoint)

    def return_to_mark(self, savepoint: str) -> None:
        """Forget what was read and captured since `savepoint`: the database has it no more.

        A savepoint older than this transaction's session goes back to its beginning.
        """
        self.session.expunge_all()
        self.session.recorder.cut(savepoint, unmarked=0)

    def end(self) -> Mapping[str, int]:
        """Let go of the connection; returns what was published."""
        with self._seal.lifted():
            self.session.close()
        self._borrowed.close()
        return self.session.published

    def _mark_failed(self, error: Exception) -> None:
        self._connection.note_failure(error)
        if self._connection.in_atomic_block:
            # PostgreSQL would turn the COMMIT of a failed transaction into a silent
            # ROLLBACK, and SQLite would commit half of a flush.
            self._connection.set_rollback(True)
            self._connection.rollback_exc = error

    def _forget_failed_work(self) -> None:
        """Make the session usable again after a failed flush.

        Its rollback reaches no database, because the connection is borrowed; what earlier
        savepoints captured is still to be committed.
        """
        with self._seal.lifted(), self.session.recorder.kept():
            self.session.rollback()
        self.session.expunge_all()


def _named(origin: Origin) -> Origin:
    """`origin` with an actor: where nobody is known, outside of a request, it is the product."""
    return origin if origin.actor is not None else origin.by(system("django"))
