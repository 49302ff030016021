"""The one Session class of every door.

The API's AsyncSession wraps it, the admin binds it to Django's own connection, tests and scripts
may open it directly. Its flushes are captured, and the captures are written with the commit. The
listeners stand in one list in `trivet.data.listeners`, in the order in which they run.

Writes that the capture would not see are refused: bulk writes of fed and audited models, and raw
writes to their tables (`trivet.data.statement_guard`). In a unit of work the session is sealed:
only the code that opened the unit can end the transaction.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session, SessionTransaction

from trivet.capture.following import lock_referred
from trivet.capture.recorder import Recorder
from trivet.data.capture import Capture
from trivet.data.documents import Documents
from trivet.identity.identity import Identity
from trivet.identity.revocation import Revocation
from trivet.origin import Origin, current_origin

T = TypeVar("T")


class SealedError(RuntimeError):
    """What works in a unit has tried to end its transaction."""


class TrivetSession(Session):
    """A Session that captures its writes, and publishes them with the commit.

    `capture` turns the changes into publications and entries, and `origin` is their origin. With
    `read_only` the session refuses to flush a change. `published` holds the channels that its
    commits published to, each with its newest offset, and `revoked` the credentials that they end.

    `find_connection` is asked, once, when the session needs a connection. It returns one, which
    the session gives back when it is closed, or None for one of its bind.
    """

    def __init__(
        self,
        *args: Any,
        capture: Capture | None = None,
        origin: Origin | None = None,
        read_only: bool = False,
        find_connection: Callable[[], Connection | None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._find_connection = find_connection
        self._is_finding = False
        self._found: Connection | None = None
        self.capture = capture or Capture()
        self.origin = origin or current_origin()
        self.read_only = read_only
        self.recorder = Recorder()
        self.published: dict[str, int] = {}
        self.revoked: list[Revocation] = []
        self.documents = Documents()
        self._dialect: Dialect | None = None
        self._seal: Seal | None = None

    def get_bind(self, *args: Any, **options: Any) -> Any:
        # Where SQLAlchemy lets a session choose between servers. It runs where the session waits
        # for its database, so the choice may wait too.
        if self._is_finding:
            raise InvalidRequestError("this session is looking for a connection for another task")
        if self._find_connection is not None:
            find, self._find_connection = self._find_connection, None
            self._is_finding = True
            try:
                self._found = find()
            finally:
                self._is_finding = False
            self.bind = self._found or self.bind
        return super().get_bind(*args, **options)

    @property
    def has_found_connection(self) -> bool:
        """Whether it has a connection that it gives back when it is closed."""
        return self._found is not None

    @property
    def dialect(self) -> Dialect:
        """The dialect of its database, asked for once."""
        if self._dialect is None:
            self._dialect = self.get_bind().dialect
        return self._dialect

    @property
    def actor(self) -> Identity | None:
        """The actor of these changes; None if nobody is known."""
        return self.origin.actor

    def write_captured(self) -> None:
        """Flush, and write every captured publication and audit entry: the last act before a
        commit. `published` then holds the channels for which the delivery has to wake up."""
        self.documents.set_changed(self)
        self.flush()
        notes = self.recorder.drain()
        self.revoked.extend(each for each in notes if isinstance(each, Revocation))
        if notes:
            self.published.update(self.capture.write(self.connection, notes, self.origin))

    def run(self, work: Callable[[Session], T]) -> T:
        """Run `work` and flush what it changed: its outcome is known when it returns, and an
        object that it returns holds what its row holds."""
        result = work(self)
        if not self.read_only:
            self.documents.set_changed(self)
            self.flush()
        return result

    def require_unchanged(self) -> None:
        """Raise ReadOnlyError if this session only reads and something in it was changed."""
        if self.read_only and (self.new or self.deleted or self.dirty):
            raise ReadOnlyError(
                "this unit of work is read-only, because the request's method is safe; write in "
                "a POST, PUT, PATCH or DELETE, or open a unit of its own for it"
            )

    def seal(self) -> "Seal":
        """Refuse from now on every end of the transaction.

        Returns:
            The right to end it. The code that opens the unit keeps it for itself.
        """
        self._seal = Seal()
        return self._seal

    def require_unsealed(self, verb: str) -> None:
        """Raise SealedError, naming `verb`, if this session is sealed."""
        if self._seal is not None and not self._seal.is_lifted:
            raise SealedError(
                f"a service may not {verb}: the unit of work it runs in decides that. Raise an "
                "error to roll back, or use begin_nested() for a part that may fail"
            )

    def begin(self, nested: bool = False) -> SessionTransaction:
        if not nested:
            self.require_unsealed("begin a transaction and end it")
        return super().begin(nested)

    def delete(self, instance: object) -> None:
        lock_referred(self, instance)  # before the rows that go along are read
        super().delete(instance)

    def delete_all(self, instances: Iterable[object]) -> None:
        for instance in instances:
            self.delete(instance)

    def prepare(self) -> None:
        self.require_unsealed("prepare the commit")
        super().prepare()

    def commit(self) -> None:
        self.require_unsealed("commit")
        super().commit()

    def rollback(self) -> None:
        self.require_unsealed("roll back")
        super().rollback()

    def close(self) -> None:
        self.require_unsealed("close the session")
        try:
            super().close()
        finally:
            found, self._found = self._found, None
            if found is not None:
                found.close()

    def reset(self) -> None:
        self.require_unsealed("reset the session")
        super().reset()

    def invalidate(self) -> None:
        self.require_unsealed("give the connection up")
        super().invalidate()

    def bulk_save_objects(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_save_objects()")

    def bulk_insert_mappings(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_insert_mappings()")

    def bulk_update_mappings(self, *_args: Any, **_options: Any) -> None:
        raise uncaptured("bulk_update_mappings()")


class Seal:
    """The right to end the transaction of one sealed session."""

    __slots__ = ("is_lifted",)

    def __init__(self) -> None:
        self.is_lifted = False

    @contextmanager
    def lifted(self) -> Iterator[None]:
        """Allow the end of the session's transaction inside the block."""
        self.is_lifted = True
        try:
            yield
        finally:
            self.is_lifted = False


class ReadOnlyError(RuntimeError):
    """A write in a unit that was opened for reading."""


class UncapturedError(RuntimeError):
    """A write that the capture would not see, or not completely."""


def uncaptured(what: str) -> UncapturedError:
    """The error for a write, `what`, that no flush would see."""
    return UncapturedError(
        f"{what} writes past the capture of events; add, change or delete the objects instead"
    )
