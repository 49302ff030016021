"""An async session together with the right to end it, which nobody else has."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import Session

from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.origin import Origin

T = TypeVar("T")


class SealedSession:
    """`session` for whoever works in the unit, `commit` and `close` for who opened it."""

    def __init__(
        self, engine: AsyncEngine, *, capture: Capture, origin: Origin, read_only: bool
    ) -> None:
        self.session = AsyncSession(
            engine,
            sync_session_class=TrivetSession,
            capture=capture,
            origin=origin,
            read_only=read_only,
            expire_on_commit=False,
        )
        self._seal = self._sync.seal()

    @property
    def _sync(self) -> TrivetSession:
        session = self.session.sync_session
        assert isinstance(session, TrivetSession)
        return session

    async def commit(self) -> dict[str, int]:
        """Make it so, and return the channels that were published to, with their newest offsets.

        A unit that only read is committed as well: there is nothing to undo, and at a ROLLBACK
        psycopg would forget its prepared statements.
        """
        with self._seal.lifted():
            await self.session.commit()
        return self._sync.published

    async def run_and_close(self, work: Callable[[Session], T]) -> T:
        """Run `work`, and give the connection back before what it found is looked at."""

        def call(db: Session) -> T:
            found = work(db)
            self._sync.require_unchanged()
            with self._seal.lifted():
                db.close()
            return found

        return await self.session.run_sync(call)

    async def close(self) -> None:
        """Give the connection back; what was not committed is rolled back."""
        # A cancelled unit must give its connection back all the same.
        with anyio.CancelScope(shield=True), self._seal.lifted():
            await self.session.close()
