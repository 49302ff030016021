"""The unit of work of one request: opened lazily, decided once.

A request that touches no data opens no connection. Services are plain functions over a
`Session`; `run` executes them on the event loop, their database calls awaited beneath
them (greenlets), so nobody writes a rule twice for two colours of function.

A unit is one transaction. It stands on the async engine or, from its first `run_with_django`
on, on Django's connection, where both ORMs share it; never on both, for two connections are
two transactions, and one of them could fail after the other was committed.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.data.database import Database, published_by, require_read
from trivet.data.session import TrivetSession

if TYPE_CHECKING:
    from trivet.context import RequestContext
    from trivet.data.django import DjangoTransaction

P = ParamSpec("P")
T = TypeVar("T")


_SINGLE = "this unit of work is a SingleQuery, which asks the database once"


class UnitOfWork:
    """One transaction for one request. `read_only` refuses writes (safe methods)."""

    def __init__(
        self, database: Database, context: "RequestContext", *, read_only: bool = False
    ) -> None:
        self._database = database
        self._context = context
        self._session: AsyncSession | None = None
        self._django: DjangoTransaction | None = None
        self._opening: anyio.Lock | None = None
        self._over = False
        self._asks_once = self._has_asked = False
        self.read_only = read_only

    @property
    def is_open(self) -> bool:
        """Whether this unit has begun, and so may hold a connection."""
        return self._session is not None or self._django is not None

    @property
    def session(self) -> AsyncSession:
        """The request's session, opened on first use.

        Raises RuntimeError once the unit is decided: whatever is written after the
        response began could not change its outcome any more; in a unit that asks once; and in
        one that stands on Django's connection, which no async session can reach.
        """
        self._require_undecided()
        if self._asks_once:
            raise RuntimeError(f"{_SINGLE}; 'run' is the way to ask")
        if self._django is not None:
            raise RuntimeError(
                "this unit of work stands on Django's connection since its first "
                "run_with_django(), and the async session would be a second transaction; call "
                "services with run(), which follows it there"
            )
        if self._session is None:
            self._session = self._database.session(self._context, read_only=self.read_only)
        return self._session

    async def run(
        self, service: Callable[Concatenate[Session, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Run the plain function `service` with this unit's session as its first argument.

        It may not block on anything but the database, nor commit or roll back.
        """
        if self._django is not None:
            return await self.run_with_django(service, *args, **options)
        if self._asks_once:
            return await self._ask(service, *args, **options)

        def call(db: Session) -> T:
            assert isinstance(db, TrivetSession)
            with db.sealed():
                return service(db, *args, **options)

        return await self.session.run_sync(call)

    def ask_once(self) -> None:
        """Have this unit ask the database one thing, by one `run`, outside of a transaction.

        Raises RuntimeError if the unit may write, or has begun.
        """
        self._require_undecided()
        if not self.read_only or self.is_open:
            raise RuntimeError(f"{_SINGLE}: it reads, and nothing else comes before")
        self._asks_once = True

    async def _ask(
        self, service: Callable[Concatenate[Session, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Run `service`, and give the connection back before what it found is looked at."""
        self._require_undecided()
        if self._has_asked:
            raise RuntimeError(f"{_SINGLE}, and has done so")
        self._has_asked = True
        self._session = self._database.single_query(self._context)

        def call(db: Session) -> T:
            assert isinstance(db, TrivetSession)
            with db.sealed():
                found = service(db, *args, **options)
            db.require_unchanged()
            db.close()
            return found

        found = await self._session.run_sync(call)
        self._session = None
        return found

    async def run_with_django(
        self, service: Callable[Concatenate[Session, P], T], *args: P.args, **options: P.kwargs
    ) -> T:
        """Run `service` on a bounded thread, where Django's ORM works too, in one transaction
        with the session that it is given.

        Raises RuntimeError if the unit already stands on the async session: say
        `run_with_django` first. Raises Unavailable if no thread is free in time.
        """
        if self._asks_once:
            raise RuntimeError(f"{_SINGLE}, and not with Django")
        transaction = await self._open_django()
        return await transaction.run(lambda db: service(db, *args, **options))

    def end(self) -> None:
        """Let nothing begin in this unit any more."""
        self._over = True

    async def commit(self) -> None:
        """Make it so, and tell the context which channels moved; nothing if unused."""
        self._over = True
        if self._session is not None and self.read_only:
            require_read(self._session)
        elif self._session is not None:
            await self._session.commit()
            self._context.published.update(published_by(self._session))
        elif self._django is not None:
            self._context.published.update(await self._django.commit())

    async def close(self) -> None:
        """Give the connection back; what was not committed is rolled back."""
        self._over = True
        session, self._session = self._session, None
        django, self._django = self._django, None
        if session is not None:
            await session.close()
        if django is not None:
            await django.close()

    async def _open_django(self) -> "DjangoTransaction":
        if self._opening is None:  # made here, because few requests need one
            self._opening = anyio.Lock()
        async with self._opening:
            self._require_undecided()
            if self._django is not None:
                return self._django
            if self._session is not None:
                raise RuntimeError(
                    "this unit of work has begun on the async session, and Django's connection "
                    "would be a second transaction; call run_with_django() before anything "
                    "else uses the unit, and run() will follow it"
                )
            self._django = await self._context.platform.open_django(read_only=self.read_only)
            return self._django

    def _require_undecided(self) -> None:
        if self._over:
            raise RuntimeError(
                "this unit of work ended when the response began; work that comes later opens "
                "its own with 'async with platform.unit()'"
            )
