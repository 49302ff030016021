"""The turns of requests of one process that have the same key.

One of them works, and the others wait here, with no connection in their hands. When the first is
done they get its answer from memory; when it has failed, the next one works. Other processes are
kept away by the database (`trivet.idempotency.claiming`).
"""

import asyncio
from collections.abc import Hashable

from trivet.idempotency.answer import KeptAnswer


class Turns:
    """Who works on which key. It is used on the event loop only."""

    def __init__(self) -> None:
        self._working: dict[Hashable, asyncio.Future[KeptAnswer | None]] = {}

    def __len__(self) -> int:
        return len(self._working)

    async def take(self, place: Hashable, until: float) -> KeptAnswer | None:
        """Take the turn, waiting for it if need be.

        Args:
            place: The key with its user.
            until: The time of the event loop at which the wait ends.

        Returns:
            The answer of the one who was waited for; None if the turn is taken now, in which case
            the caller has to `leave` it.

        Raises:
            TimeoutError: The other one has not come to its end.
        """
        while (working := self._working.get(place)) is not None:
            # Shielded: whoever gives up the wait may not end it for the others.
            async with asyncio.timeout_at(until):
                answer = await asyncio.shield(working)
            if answer is not None:
                return answer
        self._working[place] = asyncio.get_running_loop().create_future()
        return None

    def leave(self, place: Hashable, answer: KeptAnswer | None) -> None:
        """Give the turn on, with the answer that was committed, if any."""
        self._working.pop(place).set_result(answer)
