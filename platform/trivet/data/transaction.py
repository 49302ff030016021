"""The transaction of a unit on the event loop: opened late, ended once.

A request that uses no data opens no connection. A transaction uses the async engine or, from its
first `run_with_django` on, Django's connection, where both ORMs share it. It never uses both:
two connections are two transactions, and one of them could fail after the other was committed.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.compiled_read import CompiledRead, Rows
from trivet.data.database import Database
from trivet.data.django import DjangoTransaction, DjangoTransactions
from trivet.data.replicas.reading import ReplicaReads
from trivet.data.sealed_session import SealedSession
from trivet.data.session import TrivetSession
from trivet.origin import Origin

T = TypeVar("T")

_BEGUN = (inspect.CORO_RUNNING, inspect.CORO_SUSPENDED)
_PATIENCE_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.01

_SINGLE = "this unit of work is a SingleQuery, which asks the database once"


class TryAgain(Exception):
    """Raised by the first work of a transaction that cannot begin yet.

    Attributes:
        seconds: The time after which it may be able to.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:g} s")
        self.seconds = seconds


class AsyncTransaction:
    """One transaction. Only the code that opened it may call `commit` and `close`.

    Args:
        database: The async leg.
        django: Opens the transactions that both ORMs share; None without Django.
        find_origin: A function that returns the origin of the changes. It is called when the
            transaction opens, because a request learns its identity and mount on the way.
        read_only: Refuse writes, and see the data of one moment.
        reads: The way to a replica, for a transaction that only reads; None is the primary.
    """

    def __init__(
        self,
        database: Database,
        django: DjangoTransactions | None,
        find_origin: Callable[[], Origin],
        *,
        read_only: bool = False,
        reads: ReplicaReads | None = None,
    ) -> None:
        self._reads = reads if read_only else None
        self._database = database
        self._django_transactions = django
        self._find_origin = find_origin
        self._origin: Origin | None = None
        self._sealed: SealedSession | None = None
        self._django: DjangoTransaction | None = None
        self._opening: anyio.Lock | None = None
        self._is_over = False
        self._promised: list[tuple[Coroutine[Any, Any, Any], Callable[[Session], Any]]] = []
        self._asks_once = self._has_asked = False
        self._first: Callable[[Session], Any] | None = None
        self._is_touched = False
        self.read_only = read_only
        self.may_end_early = False
        """Whether nothing comes behind who uses it now."""
        self.published: Mapping[str, int] = {}

    @property
    def is_open(self) -> bool:
        """Whether the transaction has begun, and so may hold a connection."""
        return self._sealed is not None or self._django is not None

    @property
    def is_used(self) -> bool:
        """Whether there is anything to decide: work that was promised, if nothing else."""
        return bool(self._promised) or self.is_open

    @property
    def origin(self) -> Origin:
        """The origin of the changes. It is fixed when the transaction opens."""
        return self._origin or self._find_origin()

    @property
    def session(self) -> AsyncSession:
        """The sealed session, opened on first use."""
        self._require_undecided()
        if self._asks_once:
            raise RuntimeError(f"{_SINGLE}; 'run' is the way to ask")
        if self._django is not None:
            raise RuntimeError(
                "this unit of work stands on Django's connection since its first "
                "run_with_django(), and the async session would be a second transaction; call "
                "services with run(), which follows it there"
            )
        if self._sealed is None:
            self._sealed = self._open(single_query=False)
        self._is_touched = True
        return self._sealed.session

    async def begin_with(self, first: Callable[[Session], T]) -> T:
        """Begin, and run `first` before any other work. If the transaction goes over to Django's
        connection afterwards, with its first `run_with_django`, `first` runs there again.

        Where `first` raises `TryAgain`, the transaction is given up, and begun anew later.
        """
        self._require_undecided()
        assert not self.is_open
        self._first = first
        while True:
            self._sealed = self._open(single_query=False)
            try:
                return await self._sealed.session.run_sync(first)
            except TryAgain as again:
                await self._leave_async("it could not begin yet")
                await anyio.sleep(again.seconds)

    async def end_first(self) -> None:
        """Commit what `begin_with` has done, and be a transaction that has not begun."""
        self._first = None
        sealed, self._sealed = self._sealed, None
        assert sealed is not None
        try:
            await sealed.commit()
        finally:
            await sealed.close()

    async def _leave_async(self, reason: str) -> None:
        sealed, self._sealed = self._sealed, None
        if sealed is not None:
            await sealed.close(reason)

    async def _leave_django(self, reason: str) -> None:
        django, self._django = self._django, None
        if django is not None:
            await django.close(reason)

    def run(self, work: Callable[[Session], T]) -> Coroutine[Any, Any, T]:
        """Run `work` on the event loop. SQLAlchemy awaits its database calls (by greenlets)."""
        return self._promise(work, self._run(work))

    def run_with_django(self, work: Callable[[Session], T]) -> Coroutine[Any, Any, T]:
        """Run `work` on a thread of a bounded pool, where Django's ORM works too."""
        return self._promise(work, self._run_with_django(work))

    def _promise(
        self, work: Callable[[Session], T], running: Coroutine[Any, Any, T]
    ) -> Coroutine[Any, Any, T]:
        self._promised.append((running, work))
        return running

    async def _run(self, work: Callable[[Session], T]) -> T:
        if self._django is not None:
            return await self._run_with_django(work)
        if self._asks_once:
            return await self._ask(work)
        return await self.session.run_sync(_run, work)

    def ask_once(self) -> None:
        """Use this for one query by one `run`, without a transaction.

        Raises RuntimeError if it may write, or has begun.
        """
        self._require_undecided()
        if not self.read_only or self.is_open:
            raise RuntimeError(f"{_SINGLE}: it reads, and nothing else comes before")
        self._asks_once = True

    async def _ask(self, work: Callable[[Session], T]) -> T:
        self._require_undecided()
        if self._has_asked:
            raise RuntimeError(f"{_SINGLE}, and has done so")
        self._has_asked = True
        self._sealed = self._open(single_query=True)
        found = await self._sealed.run_and_close(work)
        self._sealed = None
        return found

    async def ask(self, read: CompiledRead, values: Mapping[str, Any]) -> Rows:
        """The rows of a query that was compiled once, and that is the last one of this unit.

        Where nothing has used the unit and it only reads, it is a single query, without a
        transaction. Otherwise it is asked where the unit is.
        """
        self._require_undecided()
        if self.read_only and not self.is_used:
            self.ask_once()
            if self._reads is None:
                rows = await self._database.ask(read, values, self._find_origin)
                if rows is not None:
                    self._has_asked = True
                    return rows
        return await self.run(lambda db: read.rows(db, values))

    @property
    def may_insert_alone(self) -> bool:
        """Whether `insert_alone` is worth an object: a session may have to do it all the same."""
        return self._is_untouched and self._database.inserts_alone

    @property
    def _is_untouched(self) -> bool:
        """Whether nothing has used it, and nothing comes behind who may."""
        return self.may_end_early and not self.read_only and not self.is_used

    async def insert_alone(self, row: object, answer: Callable[[], T]) -> T | None:
        """Insert `row`, a new object that no session has, as all that this transaction does, and
        commit it at once. `answer` is called when the object has what its row has.

        Returns:
            What `answer` returns; None where a session has to do it, with another object, because
            nothing has happened.
        """
        self._require_undecided()
        if not self._is_untouched:
            return None
        origin = self._find_origin()
        inserted = await self._database.insert_alone(origin, row, answer)
        if inserted is None:
            return None
        self._origin = origin
        self._is_over = True
        answered, self.published = inserted
        return answered

    async def _run_with_django(self, work: Callable[[Session], T]) -> T:
        if self._asks_once:
            raise RuntimeError(f"{_SINGLE}, and not with Django")
        transaction = await self._open_django()
        return await transaction.run(work)

    def end(self) -> None:
        """Refuse any use from now on."""
        self._is_over = True

    def let_go(self) -> None:
        """Keep nothing of the request that it was opened for, which keeps this."""
        origin = self.origin
        self._find_origin = lambda: origin

    async def commit(self, last: Callable[[Session], None] | None = None) -> Mapping[str, int]:
        """Commit. Does nothing if the transaction was not used.

        Args:
            last: Work that is done just before; its transaction has begun (`begin_with`).

        Returns:
            The channels that were published to, with their newest offsets.

        Raises:
            RuntimeError: Work was begun in this unit and not awaited.
        """
        self._is_over = True
        self._require_awaited()
        if last is not None:
            await self._run_last(last)
        if self._sealed is not None:
            self.published = await self._sealed.commit()
        elif self._django is not None:
            self.published = await self._django.commit()
        return self.published

    async def close(self, reason: str = "") -> None:
        """Give the connection back. Uncommitted changes are rolled back, for `reason`."""
        self._is_over = True
        await self._wait_for_running()
        await self._leave_async(reason)
        await self._leave_django(reason)

    async def _run_last(self, last: Callable[[Session], None]) -> None:
        if self._django is not None:
            await self._django.run(last)
        else:
            assert self._sealed is not None
            await self._sealed.session.run_sync(last)

    def _open(self, *, single_query: bool) -> SealedSession:
        self._origin = self._find_origin()
        find = None
        if self._reads is not None:
            within = self._database.secures
            find = partial(self._reads.connect, single_query=single_query, within=within)
        return self._database.open_session(
            self._origin,
            read_only=self.read_only,
            single_query=single_query,
            find_connection=find,
        )

    async def _open_django(self) -> DjangoTransaction:
        if self._opening is None:  # created late, because few requests need one
            self._opening = anyio.Lock()
        async with self._opening:
            self._require_undecided()
            if self._django is not None:
                return self._django
            if self._first is not None and not self._is_touched:
                await self._leave_async("the unit goes over to Django's connection")
            if self._sealed is not None:
                raise RuntimeError(
                    "this unit of work has begun on the async session, and Django's connection "
                    "would be a second transaction; call run_with_django() before anything "
                    "else uses the unit, and run() will follow it"
                )
            if self._django_transactions is None:
                raise RuntimeError("this platform was put together without Django")
            self._origin = self._find_origin()
            while True:
                self._django = await self._django_transactions.open(
                    self._origin,
                    read_only=self.read_only,
                    replica=None if self._reads is None else await self._reads.choose(),
                )
                try:
                    if self._first is not None:
                        await self._django.run(self._first)
                except TryAgain as again:
                    await self._leave_django("it could not begin yet")
                    await anyio.sleep(again.seconds)
                else:
                    return self._django

    def _require_awaited(self) -> None:
        """A success would say of such work that it was done."""
        for running, work in self._promised:
            state = inspect.getcoroutinestate(running)
            if state == inspect.CORO_CREATED:
                running.close()  # Python's own warning would say less
                raise RuntimeError(
                    f"unit.run({work}, …) was never awaited, so nothing of it has happened, and "
                    f"nothing is committed; write 'await unit.run({work}, …)'"
                )
            if state != inspect.CORO_CLOSED:
                raise RuntimeError(
                    f"unit.run({work}, …) is still running while the response begins, and nothing "
                    "is committed; await it before the endpoint returns"
                )

    async def _wait_for_running(self) -> None:
        """Let work that nobody awaits come to its end: a connection in use cannot be closed."""
        if not self._is_running():
            return
        with anyio.move_on_after(_PATIENCE_SECONDS):
            while self._is_running():  # noqa: ASYNC110  # it is not ours to tell: a task of somebody else runs it
                await anyio.sleep(_LOOK_AGAIN_SECONDS)

    def _is_running(self) -> bool:
        return any(inspect.getcoroutinestate(each) in _BEGUN for each, _ in self._promised)

    def _require_undecided(self) -> None:
        if self._is_over:
            raise RuntimeError(
                "this unit of work ended when the response began; work that comes later opens "
                "its own with 'async with platform.open_unit()'"
            )


def _run(session: Session, work: Callable[[Session], T]) -> T:
    assert isinstance(session, TrivetSession)
    return session.run(work)
