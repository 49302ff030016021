"""Both ORMs in one transaction for the other rooms: Django's transaction on a thread.

Django binds a connection to its thread, so a transaction that outlives one call needs a thread
that does too. It gets one from its first call to its end, and a place with it: the places are
those of the admin's requests, so that one bound counts all connections of Django's.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import anyio
from sqlalchemy.orm import Session

from trivet.data.replicas.replica import Replica
from trivet.origin import Origin
from trivet_admin.backends.allowed import django_allowed
from trivet_admin.capacity import CapacityLimiter

T = TypeVar("T")


class ThreadedTransactions:
    """The platform's `DjangoTransactions`: at most `limit` threads at once."""

    def __init__(self, limit: int) -> None:
        self.limiter = CapacityLimiter(limit)

    async def open(
        self, origin: Origin, *, read_only: bool = False, replica: Replica | None = None
    ) -> "ThreadedTransaction":
        """See `trivet.data.django.DjangoTransactions`."""
        await self.limiter.acquire()
        transaction = ThreadedTransaction(
            self.limiter, origin, read_only=read_only, replica=replica
        )
        try:
            await transaction.begin()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await transaction.close()
            raise
        return transaction


class ThreadedTransaction:
    """See `trivet.data.django.DjangoTransaction`. Holds a place until it is closed."""

    def __init__(
        self,
        limiter: CapacityLimiter,
        origin: Origin,
        *,
        read_only: bool,
        replica: Replica | None = None,
    ) -> None:
        self._limiter = limiter
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="trivet-django")
        self._origin = origin
        self._read_only = read_only
        self._replica = replica
        self._published: dict[str, int] = {}
        self._atomic: Any = None

    async def begin(self) -> None:
        await self._call(self._begin)

    async def run(self, work: Callable[[Session], T]) -> T:
        return await self._call(lambda: _connection().shared_transaction.run(work))

    async def commit(self) -> Mapping[str, int]:
        await self._call(self._commit)
        return self._published

    async def close(self, reason: str = "") -> None:
        try:
            await self._call(partial(self._close, reason))
        finally:
            # Nothing is waited for: the thread is idle and ends by itself.
            self._thread.shutdown(wait=False)
            self._limiter.release()

    async def _call(self, work: Callable[[], T]) -> T:
        """Run `work` on the thread, to its end even if the caller is cancelled meanwhile: a
        connection in use by a thread cannot be taken away from it."""
        with django_allowed():
            context = contextvars.copy_context()
        future = asyncio.wrap_future(self._thread.submit(context.run, by_meaning, work))
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])
            raise

    def _begin(self) -> None:
        from django.db.transaction import atomic

        connection = _connection()
        connection.origin = self._origin
        connection.read_only = self._read_only
        connection.replica = self._replica
        connection.deliver = self._published.update
        entered = atomic()
        entered.__enter__()
        self._atomic = entered
        if self._read_only:
            connection.refuse_writes()

    def _commit(self) -> None:
        from django.db.transaction import TransactionManagementError

        _connection().require_success()
        if _connection().needs_rollback:
            # Django would roll back without a word, behind a success that was prepared.
            raise TransactionManagementError(
                "a service may not roll back: it called set_rollback(True), and the unit of work "
                "it runs in decides that. Raise an error instead"
            )
        atomic, self._atomic = self._atomic, None
        atomic.__exit__(None, None, None)

    def _close(self, reason: str) -> None:
        from django.db import connections

        atomic, self._atomic = self._atomic, None
        try:
            if atomic is not None:
                from trivet_admin.outcomes import advise_on_ended_session

                advise_on_ended_session(_connection())
                _connection().rollback_reason = reason
                _connection().set_rollback(True)
                atomic.__exit__(None, None, None)
        finally:
            connections.close_all()


def _connection() -> Any:
    from django.db import DEFAULT_DB_ALIAS, connections

    return connections[DEFAULT_DB_ALIAS]


def by_meaning(work: Callable[[], T]) -> T:
    """Run `work`; Django's errors leave it as the platform's, which every room can render."""
    from trivet_admin.errors.to_trivet import explain

    try:
        return work()
    except Exception as error:
        explained = explain(error)
        if explained is None or explained is error:
            raise
        raise explained from error
