"""An async session, together with the only right to end it."""

from collections.abc import Callable
from typing import TypeVar

import anyio
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session

from trivet.data.awaited_session import AwaitedSession
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.identity.revocation import Revocation
from trivet.observation import Observers, UnitEnded, UnitOutcome, reason_of
from trivet.origin import Origin
from trivet.rules.tenant_changes import ACROSS

T = TypeVar("T")


class SealedSession:
    """`session` is for the code in the unit, `commit` and `close` for the code that opened it.

    Its connection is one of `engine`, unless `find_connection` finds another. After the commit,
    `on_revoked` is called for each credential that it ends."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        capture: Capture,
        origin: Origin,
        read_only: bool,
        observers: Observers | None = None,
        across_tenants: bool = False,
        find_connection: Callable[[], Connection | None] | None = None,
        on_revoked: Callable[[Revocation], None] | None = None,
    ) -> None:
        self.session = AwaitedSession(
            engine,
            sync_session_class=TrivetSession,
            capture=capture,
            origin=origin,
            read_only=read_only,
            find_connection=find_connection,
            expire_on_commit=False,
            info={ACROSS: across_tenants},
        )
        self._seal = self._sync.seal()
        self._observers = observers
        self._on_revoked = on_revoked

    @property
    def _sync(self) -> TrivetSession:
        session = self.session.sync_session
        assert isinstance(session, TrivetSession)
        return session

    async def commit(self) -> dict[str, int]:
        """Commit, and return the channels that were published to, with their newest offsets.

        A unit that only reads is committed too: there is nothing to undo, and psycopg forgets its
        prepared statements at a ROLLBACK.
        """
        try:
            self.session.require_awaited()
            with self._seal.lifted():
                await self.session.commit()
        except BaseException as error:
            self._observe(UnitOutcome.HELD_BACK, reason_of(error))
            raise
        self._observe(UnitOutcome.COMMITTED)
        if self._on_revoked is not None:
            for revocation in self._sync.revoked:
                self._on_revoked(revocation)
        return self._sync.published

    async def run_and_close(self, work: Callable[[Session], T]) -> T:
        """Run `work`, and give the connection back before the result is used."""

        def call(db: Session) -> T:
            found = work(db)
            self._sync.require_unchanged()
            with self._seal.lifted():
                if self._sync.capture.rules.tenants.secures:
                    # At a ROLLBACK psycopg would forget the statements that it has prepared.
                    db.commit()
                db.close()
            return found

        found = await self.session.run_sync(call)
        self._observe(UnitOutcome.COMMITTED)
        return found

    async def close(self, reason: str = "") -> None:
        """Give the connection back. Uncommitted changes are rolled back, for `reason`."""
        self._observe(UnitOutcome.ROLLED_BACK, reason)
        if not (self._sync.in_transaction() or self._sync.has_found_connection):
            with self._seal.lifted():  # nothing is left that would have to be awaited
                self._sync.close()
            return
        # A cancelled unit has to give its connection back too.
        with anyio.CancelScope(shield=True), self._seal.lifted():
            await self.session.close()

    def _observe(self, outcome: UnitOutcome, reason: str = "") -> None:
        """Report the end of the transaction to the observers, once."""
        observers, self._observers = self._observers, None
        if observers is not None and observers.active:
            session = self._sync
            observers.emit(UnitEnded(outcome, reason, session.origin.way, session.read_only))
