"""The comparison of the identities of open sockets with the database, from time to time.

A revocation closes sockets at once. It is a message, and a message can be lost: the process that
sends it dies, or the broker is away. So every socket is compared within the seconds for which a
request would trust the identity cache, while no broker reaches the other processes; and rarely, as
a net, while one does. Hundreds of sockets are compared by a few statements.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Collection, Sequence
from itertools import islice

from trivet import Platform
from trivet.broker import MessagesMissed
from trivet.data.outages import find_outage
from trivet.identity import Identity, Revocation
from trivet.identity.recheck import AT_ONCE, find_lost
from trivet.missing_tables import lacks_table

logger = logging.getLogger(__name__)

RARE_SECONDS = 60.0
"""The average time between two comparisons while the broker reaches the other processes."""
SHORTEST_SECONDS = 1.0
"""For installations that do not cache identities at all."""

_random = random.Random()  # noqa: S311  # spreads the comparisons of several processes


class Rechecking:
    """Compares what `list_identities` returns, and calls `revoke` for what is lost."""

    def __init__(
        self,
        platform: Platform,
        list_identities: Callable[[], Collection[Identity]],
        revoke: Callable[[Revocation], None],
    ) -> None:
        self._platform = platform
        self._list = list_identities
        self._revoke = revoke
        self._now = asyncio.Event()

    async def run(self) -> None:
        """Compare until the task is cancelled."""
        loop = asyncio.get_running_loop()

        def compare_now(_message: MessagesMissed) -> None:
            loop.call_soon_threadsafe(self._now.set)

        unsubscribe = self._platform.broker.subscribe(MessagesMissed, compare_now)
        try:
            while True:
                await self._wait()
                await self._compare_all()
        finally:
            unsubscribe()

    async def _wait(self) -> None:
        """Until the next comparison is due. The broker may fail meanwhile."""
        soon = max(SHORTEST_SECONDS, self._platform.settings.identity_cache_seconds)
        waited, rare = 0.0, RARE_SECONDS * _random.uniform(0.5, 1.5)
        while waited < rare:
            try:
                async with asyncio.timeout(soon):
                    await self._now.wait()
            except TimeoutError:
                waited += soon
            if self._now.is_set() or not self._platform.broker.state.reaches_others:
                break
        self._now.clear()

    async def _compare_all(self) -> None:
        waiting = iter(self._list())
        while some := list(islice(waiting, AT_ONCE)):  # itertools.batched comes with Python 3.12
            try:
                lost = await self._compare(some)
            except Exception as error:
                if (outage := find_outage(error)) is not None:
                    logger.warning("open sockets could not be compared: %s", outage.state)
                elif not lacks_table(error):
                    logger.exception("open sockets could not be compared")
                return
            for revocation in lost:
                logger.warning("a revocation was missed: %s", revocation)
                self._platform.identities.forget(revocation)
                self._revoke(revocation)

    async def _compare(self, identities: Sequence[Identity]) -> list[Revocation]:
        async with self._platform.database.unit(read_only=True) as session:
            return await session.run_sync(find_lost, identities)
