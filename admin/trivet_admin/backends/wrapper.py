"""The connection's part: where a transaction of Django's is also a unit of work.

Every ``atomic()`` is one, also in a management command or a shell, because the hooks sit
where `django.db.transaction` itself calls: savepoint, commit, rollback, close.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

from django.db import DatabaseError
from django.db.backends.base.base import NO_DB_ALIAS, BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.transaction import TransactionManagementError

from trivet.data.outages import Outage, find_outage, mark_own
from trivet.data.replicas.replica import Replica
from trivet.data.session import TrivetSession
from trivet.data.tenant_setting import tell_again
from trivet.observation import UnitEnded, UnitOutcome, reason_of
from trivet.origin import Origin, current_origin
from trivet_admin import runtime
from trivet_admin.backends.allowed import require_allowed_here
from trivet_admin.backends.guard import require_allowed, writes
from trivet_admin.backends.row_observer import require_observed
from trivet_admin.backends.shared_transaction import SharedTransaction

COMPILERS = "trivet_admin.backends.compilers"


class UnitWrapper(BaseDatabaseWrapper):
    """Mixed into a DatabaseWrapper: a lazy `SharedTransaction` for each outermost ``atomic()``."""

    rollback_exc: Exception | None  # Django sets it, its stubs do not know it

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._shared: SharedTransaction | None = None
        self.unguarded = 0
        self.observed = 0
        self.read_only = False
        self.is_streaming = False
        self.replica: Replica | None = None
        """Where the connection may read, until it is closed; only PostgreSQL has any."""
        self.rollback_reason = ""
        self._has_begun = False
        self._is_spoiled = False
        self.origin: Origin | None = None
        self.deliver: Callable[[Mapping[str, int]], None] = runtime.deliver
        self.execute_wrappers.append(self._before_statement)

    def find_connect_failure(self, since: float) -> Exception | None:  # noqa: ARG002  # as there
        """Why an attempt to connect failed at or after `since` (of `time.monotonic`); None if none
        did. Only PostgreSQL's pool connects where its callers do not see it."""
        return None

    @property
    def shared_transaction(self) -> SharedTransaction:
        """SQLAlchemy's part of the open transaction; TransactionManagementError without one."""
        if not self.in_atomic_block:
            raise TransactionManagementError(
                "there is no unit of work here: a safe request has no transaction. Open one "
                "with 'with transaction.atomic():'"
            )
        self.validate_no_broken_transaction()
        self._require_no_stream()
        if self._shared is None:
            self._shared = SharedTransaction(self)
        return self._shared

    @property
    def session(self) -> TrivetSession:
        """The session in the open transaction; TransactionManagementError without one."""
        return self.shared_transaction.session

    def flush_shared(self) -> None:
        """Send what SQLAlchemy holds, so that whoever reads next finds it."""
        if self._shared is not None and not self.needs_rollback:
            self._shared.flush()

    # Each of these is refused before Django itself looks: it would say of an event loop that a
    # thread is the cure, which would be refused next.

    def ensure_connection(self) -> None:
        require_allowed_here()
        super().ensure_connection()

    def connect(self) -> None:
        require_allowed_here()
        super().connect()

    def cursor(self) -> Any:
        require_allowed_here()
        return super().cursor()

    def chunked_cursor(self) -> Any:
        require_allowed_here()
        return super().chunked_cursor()

    def commit(self) -> None:
        """Write what was captured, then commit; on any error nothing of it stays.

        Django's Atomic rolls back after a DatabaseError only. A feed may fail with anything,
        so the rollback is done here.
        """
        # Django refuses it too, but only after what was captured would be gone.
        self.validate_no_atomic_block()
        try:
            if self._shared is not None:
                self._shared.write_captured()
            self.require_intact()
            super().commit()
        except BaseException as error:
            self.note_failure(error)
            self._observe(UnitOutcome.HELD_BACK, reason_of(error))
            self.rollback()
            raise
        shared, self._shared = self._shared, None
        if shared is not None:
            self.deliver(shared.end())
            runtime.publish_revocations(shared.session.revoked)
        self._observe(UnitOutcome.COMMITTED)

    def require_success(self) -> None:
        """Raise the error that somebody swallowed, if one has doomed this transaction: Django
        would roll back without a word, and the success that was prepared would not be true.

        A view that asked for a rollback itself (``set_rollback(True)``) gets it in silence.
        """
        if self.closed_in_transaction:
            raise TransactionManagementError("the connection was closed inside the transaction")
        if self.needs_rollback and self.rollback_exc is not None:
            self._observe(UnitOutcome.HELD_BACK, reason_of(self.rollback_exc))
            raise self.rollback_exc

    def require_intact(self) -> None:
        """Raise TransactionManagementError if the database has given this transaction up."""

    def refuse_writes(self) -> None:
        """Have the database itself refuse writes until the connection is closed."""
        raise NotImplementedError

    def rollback(self) -> None:
        self.validate_no_atomic_block()
        error = self.rollback_exc or sys.exception()
        reason = self.rollback_reason or reason_of(error) or "set_rollback"
        self._observe(UnitOutcome.ROLLED_BACK, reason)
        self._drop_shared()
        self.rollback_exc = None
        super().rollback()

    def close(self) -> None:
        self._observe(UnitOutcome.ROLLED_BACK, "connection closed")
        self._drop_shared()
        spoiled, self._is_spoiled = self._is_spoiled, False
        if spoiled and self.connection is not None:
            self.throw_away()
        super().close()

    def note_failure(self, error: BaseException) -> None:
        """Take in an error of the database, whichever ORM met it: a write that a unit which only
        reads has tried is its own fault, and a connection that an outage has spoiled is no use."""
        if self.read_only:
            mark_own(error)
        outage = find_outage(error)
        if outage is not None:
            self.tell_outage(outage)
            self._is_spoiled = self._is_spoiled or outage.spoils

    def tell_outage(self, outage: Outage) -> None:
        """Have the probes of this process know of an outage."""
        runtime.note_outage(outage)

    def throw_away(self) -> None:
        """Keep the connection, which is about to be closed, and those that are as old from being
        used again."""

    def set_autocommit(
        self, autocommit: bool, force_begin_transaction_with_broken_autocommit: bool = False
    ) -> None:
        # Django's Atomic ends with this call even when the connection was lost. It would open
        # another and wait while the database is away. The next statement opens one if needed.
        if autocommit and self.connection is None:
            return
        super().set_autocommit(autocommit, force_begin_transaction_with_broken_autocommit)
        self._has_begun = not autocommit

    def _savepoint(self, sid: str) -> None:
        if self._shared is not None:
            self._shared.set_mark(sid)
        super()._savepoint(sid)  # type: ignore[misc]  # private, not in the stubs

    def _savepoint_commit(self, sid: str) -> None:
        try:
            if self._shared is not None:
                self._shared.flush()
        except BaseException:
            # Atomic rolls back here after a DatabaseError only, and not on a connection that
            # is marked: what the savepoint holds must not outlive the error.
            self.set_rollback(False)
            self._savepoint_rollback(sid)
            raise
        super()._savepoint_commit(sid)  # type: ignore[misc]  # private, not in the stubs

    def _savepoint_rollback(self, sid: str) -> None:
        if self._shared is not None:
            # First, or the statement itself would flush what is to be forgotten.
            self._shared.return_to_mark(sid)
        self.rollback_exc = None  # undone with the savepoint
        super()._savepoint_rollback(sid)  # type: ignore[misc]  # private, not in the stubs
        if self._shared is not None:
            tell_again(self._shared.session)  # what held at its beginning may hold no more

    def _observe(self, outcome: UnitOutcome, reason: str = "") -> None:
        """Let the end of the outermost ``atomic()`` be observed, once: Django rolls back again
        what it could not commit."""
        begun, self._has_begun, self.rollback_reason = self._has_begun, False, ""
        if begun and (observers := runtime.observers()).active:
            way = (self.origin or current_origin()).way
            observers.emit(UnitEnded(outcome, reason, way, self.read_only))

    def _drop_shared(self) -> None:
        shared, self._shared = self._shared, None
        if shared is not None:
            shared.end()

    def _before_statement(
        self, execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        """Every statement of Django's: what it may do is checked, and what SQLAlchemy holds
        is in the database before it reads."""
        if not self.unguarded and self.alias != NO_DB_ALIAS:
            require_allowed(sql)
            if not self.observed:
                require_observed(sql)
            if self.is_streaming and writes(sql):
                self._require_no_stream()
        self.flush_shared()
        try:
            return execute(sql, params, many, context)
        except DatabaseError as error:
            self.note_failure(error)
            raise

    def _require_no_stream(self) -> None:
        if self.is_streaming:
            raise TransactionManagementError(
                "this response is being streamed, and its transaction is over: nobody could be "
                "told that a write failed. Write before the stream begins"
            )


class GuardlessSchemaEditor(BaseDatabaseSchemaEditor):
    """A migration may do what it must: the guard is off while a schema editor is open."""

    connection: Any

    def __enter__(self) -> Self:
        self.connection.unguarded += 1
        try:
            return super().__enter__()
        except BaseException:
            self.connection.unguarded -= 1
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            super().__exit__(*error)
        finally:
            self.connection.unguarded -= 1
