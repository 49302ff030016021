"""The choice of a replica for a reader. Both ORMs ask it, so they read from the same server."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from trivet.data.database import Database
from trivet.data.replicas.client import ClientPosition, enter_client
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.replica import NOT_ASKED, Replica
from trivet.data.replicas.watch import Hurry, PrimaryLog, ReplicaWatch, note_primary
from trivet_settings.values import Pooler

WORTH_WAITING_BYTES = 1 << 30
"""A client that claims to have written further beyond the primary's last known position than this
is not waited for: nobody writes so much between two looks."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    position: WalPosition
    everywhere: bool
    found: "asyncio.Future[Replica | None]"

    def look(self, usable: Sequence[Replica]) -> None:
        """Wait no longer, if enough of the replicas are there, or if there is none."""
        there = [each for each in usable if each.covers(self.position)]
        enough = len(there) == len(usable) if self.everywhere else there
        if (enough or not usable) and not self.found.done():
            self.found.set_result(there[0] if there else None)


class Replicas:
    """The replicas of the database, as the settings list them.

    Args:
        replicas: One object for each.
        database: The primary.
        wait_seconds: How long a reader waits for one that is not far enough.
        lag_seconds: How far one may be behind.
        pooler: The kind of pooler that stands in front of them.
    """

    def __init__(
        self,
        replicas: Sequence[Replica],
        database: Database,
        *,
        wait_seconds: float,
        lag_seconds: float,
        pooler: Pooler = "none",
    ) -> None:
        self.replicas = tuple(replicas)
        self._database = database
        self._wait_seconds = wait_seconds
        self._log = PrimaryLog()
        self._watches = [
            ReplicaWatch(each, self._log, lag_seconds=lag_seconds, pooler=pooler)
            for each in replicas
        ]
        self._waiters: set[_Waiter] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._hurries: list[Hurry] = []
        self._turn = 0
        self._in_vain: WalPosition | None = None

    @property
    def states(self) -> list[str]:
        """What each of them is, in the order of the settings: ``ok``, or why it is passed over."""
        return [each.state or "ok" for each in self.replicas]

    async def choose(
        self, client: ClientPosition, tried: Collection[Replica] = ()
    ) -> Replica | None:
        """A replica that probably shows everything that `client` has to see, other than those that
        were `tried`; None if the primary is the place to read.

        It waits for one that is nearly there, if none was tried.
        """
        position = client.newest
        usable = [each for each in self._in_turn() if each.is_usable and each not in tried]
        if not usable or (position is not None and self._is_beyond(position)):
            return None
        if position is None:
            return usable[0]
        for each in usable:
            if each.covers(position):
                return each
        if tried or self._is_in_vain(position, usable):
            return None
        return await self._wait_for(position)

    @asynccontextmanager
    async def spreading(self) -> AsyncIterator[None]:
        """Wait at the end of the block until every replica that is read from shows what was
        committed in it, as long as a reader would wait. It is for clients who cannot be told a
        position, since they are not told by a response."""
        client = ClientPosition()
        leave = enter_client(client)
        try:
            yield
        finally:
            leave()
        if client.written is not None:
            usable = [each for each in self.replicas if each.is_usable]
            late = [each for each in usable if not each.covers(client.written)]
            if late and not self._is_in_vain(client.written, late):
                await self._wait_for(client.written, everywhere=True)

    async def start(self) -> None:
        """Begin to look at the servers. Nobody is read from before the first look."""
        self._tasks = [asyncio.create_task(self._watch_primary(), name="the primary is watched")]
        for watch in self._watches:
            hurry = Hurry(lambda: bool(self._waiters))
            self._hurries.append(hurry)
            name = f"the replica {watch.replica.name} is watched"
            self._tasks.append(asyncio.create_task(self._watch(watch, hurry), name=name))

    async def stop(self) -> None:
        """Look no more, and close every connection. Everything is read from the primary then."""
        tasks, self._tasks, self._hurries = self._tasks, [], []
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for watch in self._watches:
            watch.replica.state = NOT_ASKED
            await watch.close()
            await watch.replica.close()

    def _in_turn(self) -> Sequence[Replica]:
        self._turn = (self._turn + 1) % len(self.replicas)
        return self.replicas[self._turn :] + self.replicas[: self._turn]

    def _is_beyond(self, position: WalPosition) -> bool:
        newest = self._log.newest
        return (
            newest is None
            or position.timeline > newest.timeline
            or position.byte > newest.byte + WORTH_WAITING_BYTES
        )

    def _is_in_vain(self, position: WalPosition, usable: Sequence[Replica]) -> bool:
        """Whether somebody has waited in vain for less than that, and it still is not there: of
        all who write while replicas are late, one in each process waits."""
        late = self._in_vain
        if late is not None and any(each.covers(late) for each in usable):
            late = self._in_vain = None
        return late is not None and position >= late

    async def _wait_for(self, position: WalPosition, *, everywhere: bool = False) -> Replica | None:
        waiter = _Waiter(position, everywhere, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        self._hurry()
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await waiter.found
        except TimeoutError:
            self._in_vain = min(position, self._in_vain or position)
            return None
        finally:
            self._waiters.discard(waiter)

    def _hurry(self) -> None:
        for each in self._hurries:
            each.call()

    async def _watch(self, watch: ReplicaWatch, hurry: Hurry) -> None:
        while True:
            await watch.look()
            usable = [each for each in self.replicas if each.is_usable]
            for waiter in [*self._waiters]:
                waiter.look(usable)
            await hurry.pause()

    async def _watch_primary(self) -> None:
        pace = Hurry(lambda: False)
        while True:
            was_known = self._log.newest is not None
            await note_primary(self._database.single_query_engine, self._log)
            if not was_known:
                self._hurry()
            await pace.pause()
