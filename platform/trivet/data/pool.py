"""The pool of the async engine, and how long it lets a unit wait for a connection.

A unit takes a connection by `connect`, in a greenlet of SQLAlchemy's, which may have to make or to
test one. A query that is compiled and prepared takes one that is ready by `take`, without any of
that. Those who wait stand in one queue, whichever way they came, and nobody passes them: who gives
a connection back hands it to the first of them.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import exc
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import Empty, Full, QueueCommon

from trivet.observation import Observers, PoolWaited

OWN_CHECKOUTS = 1
"""Our listeners to a checkout (`trivet.data.listeners`). It tests what was idle for long."""


class _Idle(QueueCommon[ConnectionPoolEntry]):
    """The connections that nobody uses. Whoever finds none waits in the pool's own queue, so none
    waits here; SQLAlchemy's is one of asyncio's, which computes more than it is asked."""

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        self.maxsize = maxsize
        self.use_lifo = use_lifo
        self._entries: deque[ConnectionPoolEntry] = deque()
        self.qsize = self._entries.__len__  # type: ignore[method-assign]  # asked for each request

    def empty(self) -> bool:
        return not self._entries

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self._entries)

    def put_nowait(self, item: ConnectionPoolEntry) -> None:
        if self.full():
            raise Full
        self._entries.append(item)

    def put(
        self,
        item: ConnectionPoolEntry,
        block: bool = True,  # noqa: ARG002  # nobody waits here
        timeout: float | None = None,  # noqa: ARG002
    ) -> None:
        self.put_nowait(item)

    def get_nowait(self) -> ConnectionPoolEntry:
        if not self._entries:
            raise Empty
        return self._entries.popleft()

    def get(
        self,
        block: bool = True,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> ConnectionPoolEntry:
        return self.get_nowait()


class _Turn(NamedTuple):
    """Somebody who waits for a connection until a time of the event loop."""

    ends_at: float
    given: asyncio.Future[ConnectionPoolEntry]


class ObservedPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's own pool; `observers` get the time of each checkout, by the pool's `name`."""

    _queue_class = _Idle
    observers: Observers = Observers()
    name = "database"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._waiting: deque[_Turn] = deque()
        self._watching: asyncio.AbstractEventLoop | None = None

    def connect(self) -> PoolProxiedConnection:
        began, succeeded = time.perf_counter(), False
        try:
            connection = super().connect()
            succeeded = True
            return connection
        finally:
            self._tell(began, succeeded=succeeded)

    async def take(
        self, is_ready: Callable[[ConnectionPoolEntry], bool]
    ) -> ConnectionPoolEntry | None:
        """A connection that can be used as it is; None if `connect` has to make or to test one.

        It has to be given back. Raises sqlalchemy.exc.TimeoutError if all stay in use.
        """
        if len(self.dispatch.checkout) > OWN_CHECKOUTS:
            return None  # somebody listens to each checkout, and expects what `connect` gives
        began = time.perf_counter()
        if self.checkedin():
            entry = super()._do_get()  # without a wait
        elif self._are_all_made():
            try:
                entry = await self._wait()
            except exc.TimeoutError:
                self._tell(began, succeeded=False)
                raise
        else:
            return None
        if not is_ready(entry):
            self._do_return_conn(entry)
            return None
        self._tell(began, succeeded=True)
        return entry

    def give_back(self, entry: ConnectionPoolEntry) -> None:
        """Give a connection back that was taken."""
        self.dispatch.checkin(entry.dbapi_connection, entry)
        self._do_return_conn(entry)

    def _do_get(self) -> ConnectionPoolEntry:
        if not self.checkedin() and self._are_all_made():
            return await_only(self._wait())
        return super()._do_get()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        while self._waiting:
            first = self._waiting.popleft().given
            if not first.done():
                first.set_result(record)
                return
        super()._do_return_conn(record)

    def _are_all_made(self) -> bool:
        return self.overflow() >= 0  # it is made with none beyond its size

    async def _wait(self) -> ConnectionPoolEntry:
        loop = asyncio.get_running_loop()
        turn = _Turn(loop.time() + self.timeout(), loop.create_future())
        self._waiting.append(turn)
        if self._watching is not loop:
            self._watch(loop)
        try:
            return await turn.given
        except asyncio.CancelledError:
            if not turn.given.cancelled() and turn.given.exception() is None:
                self._do_return_conn(turn.given.result())  # it came too late
            raise

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look again when the first of those who wait has waited for too long."""
        self._watching = loop
        loop.call_at(self._waiting[0].ends_at, self._refuse, loop)

    def _refuse(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse those who have waited for too long. All have the same time, so they stand in the
        order in which it ends, and one timer does for them: a timer for each of them computes more
        than the wait."""
        self._watching = None
        while self._waiting and (
            self._waiting[0].given.done() or self._waiting[0].ends_at <= loop.time()
        ):
            first = self._waiting.popleft().given
            if not first.done():
                words = f"all {self.size()} connections stayed in use for {self.timeout():g} s"
                first.set_exception(exc.TimeoutError(words))
        if self._waiting:
            self._watch(loop)

    def _tell(self, began: float, *, succeeded: bool) -> None:
        if self.observers.active:
            seconds = time.perf_counter() - began
            self.observers.emit(PoolWaited(self.name, seconds, succeeded))
