"""The unit of work behind the lines of a shell.

A line runs as a service does: SQLAlchemy awaits the database, changes are flushed behind it, judged
by rules, captured and audited. As long as nothing is changed, no transaction stays open from one
line to the next, so a shell that nobody looks at locks nothing. From the first change on, the unit
is kept until `commit` or `rollback`.
"""

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from anyio.from_thread import BlockingPortal
from sqlalchemy import event, select
from sqlalchemy.orm import ORMExecuteState, Session

from trivet import Identity, Platform, UnitOfWork, User
from trivet.identity.user_identity import identify_user
from trivet.origin import Origin

Line = Callable[[Session, Identity], Any]


class _RolledBack(Exception):
    """Ends a unit whose changes are not kept."""


class ShellUnit:
    """Units of work of one actor, one after the other.

    Attributes:
        actor: Who makes the changes.
        changed: Whether something waits for a commit.
        has_lost: Whether the last line failed so that what waited before it was taken back.
        db: The session of the present line, or of the last one.
    """

    def __init__(self, platform: Platform, portal: BlockingPortal, actor: Identity) -> None:
        self.actor = actor
        self.changed = False
        self.has_lost = False
        self.db: Session | None = None
        self._platform = platform
        self._portal = portal
        self._stack: AsyncExitStack | None = None
        self._unit: UnitOfWork[Any] | None = None
        self._kept: list[Any] = []
        self._wanted = ""

    def run(self, line: Line) -> None:
        """Run a line as a service; raises what it raises. Then do what the line asked for."""
        ended: list[BaseException] = []
        waited, self.has_lost = self.changed, False

        def guarded(db: Session, actor: Identity) -> None:
            self.db = db
            try:
                line(db, actor)
            except Exception:
                raise
            except BaseException as error:  # noqa: BLE001  # `exit()` ends the shell, and not the loop
                ended.append(error)

        try:
            self._portal.call(self._run, guarded)
        finally:
            self.has_lost = waited  # by a commit that fails too
            self.has_lost = self._portal.call(self._settle) and waited
        if ended:
            raise ended[0]

    def commit(self) -> None:
        """Keep what was changed, as soon as the line has ended."""
        self._wanted = "commit"

    def rollback(self) -> None:
        """Take back what was changed, as soon as the line has ended."""
        self._wanted = "rollback"

    def close(self) -> bool:
        """End without a commit; whether changes are lost by it."""
        lost = self.changed
        self._portal.call(self._end, False)
        return lost

    async def _run(self, line: Line) -> None:
        unit = self._unit or await self._begin()
        await unit.run(line)

    async def _begin(self) -> UnitOfWork[Any]:
        self._stack = AsyncExitStack()
        context = self._platform.open_unit(Origin(way="cli"), actor=self.actor)
        self._unit = unit = await self._stack.enter_async_context(context)
        session: Session = unit.session.sync_session
        event.listen(session, "after_flush", self._note_flush)
        event.listen(session, "do_orm_execute", self._note_statement)
        session.add_all(self._kept)
        session.expire_all()  # others may have changed the rows meanwhile
        return unit

    def _note_flush(self, _session: Session, _context: Any) -> None:
        self.changed = True

    def _note_statement(self, state: ORMExecuteState) -> None:
        self.changed = self.changed or not state.is_select

    async def _settle(self) -> bool:
        """Do what was asked for; without that, end a unit that has changed nothing or cannot go
        on. Whether it could not."""
        wanted, self._wanted = self._wanted, ""
        if self._unit is None:
            return False
        is_broken = not self._unit.session.sync_session.is_active
        if wanted or is_broken or not self.changed:
            await self._end(wanted == "commit" and not is_broken)
        return is_broken

    async def _end(self, keep: bool) -> None:
        stack, unit = self._stack, self._unit
        self._stack = self._unit = None
        self.changed = False
        if stack is None or unit is None:
            return
        self._kept = list(unit.session.sync_session.identity_map.values())
        error = None if keep else _RolledBack()
        try:
            if error is None:
                await stack.aclose()
            else:
                await stack.__aexit__(_RolledBack, error, None)
        except _RolledBack:
            pass


async def find_actor(platform: Platform, username: str) -> Identity | None:
    """The identity of the active user `username`, with the present permissions."""
    async with platform.open_unit(read_only=True) as unit:
        key = await unit.session.scalar(select(User.id).where(User.username == username))
        found = None if key is None else await identify_user(unit.session, key)
    return None if found is None else replace(found, kind="session", credential_id="")
