"""The unit of work of one request: opened lazily, decided once.

A request that touches no data opens no connection. Services are plain functions over a
`Session`; `run` executes them on the event loop, their database calls awaited beneath
them (greenlets), so nobody writes a rule twice for two colours of function.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from trivet.database import Database, published_by
from trivet.session import TrivetSession

if TYPE_CHECKING:
    from trivet.context import RequestContext

P = ParamSpec("P")
T = TypeVar("T")


class UnitOfWork:
    """One transaction for one request. `read_only` refuses writes (safe methods)."""

    def __init__(
        self, database: Database, context: "RequestContext", *, read_only: bool = False
    ) -> None:
        self._database = database
        self._context = context
        self._session: AsyncSession | None = None
        self._over = False
        self.read_only = read_only

    @property
    def is_open(self) -> bool:
        """Whether this unit has a session, and so may hold a connection."""
        return self._session is not None

    @property
    def session(self) -> AsyncSession:
        """The request's session, opened on first use.

        Raises RuntimeError once the unit is decided: whatever is written after the
        response began could not change its outcome any more.
        """
        if self._over:
            raise RuntimeError(
                "this unit of work ended when the response began; work that comes later opens "
                "its own with 'async with platform.unit()'"
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

        def call(db: Session) -> T:
            assert isinstance(db, TrivetSession)
            with db.sealed():
                return service(db, *args, **options)

        return await self.session.run_sync(call)

    async def commit(self) -> None:
        """Make it so, and tell the context which channels moved; nothing if unused."""
        self._over = True
        if self._session is None:
            return
        await self._session.commit()
        self._context.published.update(published_by(self._session))

    async def close(self) -> None:
        """Give the connection back; what was not committed is rolled back."""
        self._over = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
