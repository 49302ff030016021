"""The subscribers of a large channel in rows, each of which is written to at one go.

All of a row have been sent the same and take what comes, so a publication needs nothing of them but
their descriptors. Whoever is an exception, because its client is slow or leaves, steps out first,
and is treated by itself. So those are asked nothing who have nothing to say.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trivet_realtime.descriptors import send_to_all

if TYPE_CHECKING:
    from trivet_realtime.subscription import Subscription

WRITES_A_TURN = 256
"""Sockets that are written to before the event loop gets its turn; about a millisecond."""
FEWEST = 32
"""With fewer members a row costs more than it saves."""


class Row:
    """Subscriptions without a view that flow, and whose clients are clear."""

    __slots__ = ("_alone", "_members", "at")

    def __init__(
        self, members: Iterable["Subscription"], at: int, alone: dict["Subscription", None]
    ) -> None:
        """They have been sent everything up to `at`. Who steps out is put into `alone`."""
        self.at = at
        self._alone = alone
        self._members: dict[Subscription, int] = {}
        for each in members:
            assert each.outgoing.direct is not None
            self._members[each] = each.outgoing.direct.descriptor
            each.row = self
            del alone[each]

    def __len__(self) -> int:
        return len(self._members)

    def remove(self, subscription: "Subscription") -> None:
        """Let a member go on by itself, from where the row is."""
        subscription.flows_at = self.at
        subscription.row = None
        del self._members[subscription]
        self._alone[subscription] = None

    def dissolve(self) -> Sequence["Subscription"]:
        """Let all members go on by themselves, and return them."""
        members = tuple(self._members)
        for each in members:
            self.remove(each)
        return members

    def send(self, message: bytes, after: int) -> None:
        """Send the message that ends at `after` to all."""
        # Before it is sent: who turns out to be full has it, and steps out in the midst of this.
        self.at = after
        taken = send_to_all(list(self._members.values()), message)
        if taken.count(len(message)) == len(taken):
            return
        for subscription, size in zip(tuple(self._members), taken, strict=True):
            direct = subscription.outgoing.direct
            if size < len(message) and direct is not None:
                try:
                    # The transport keeps it for later, or finds out that the connection is broken.
                    direct.write(message[max(size, 0) :])
                except Exception:  # noqa: BLE001  # it is logged there
                    subscription.client.fail()


class Rows:
    """The rows of one channel. `alone` are the subscriptions that stand in none of them."""

    __slots__ = ("_rows", "alone")

    def __init__(self, subscriptions: Iterable["Subscription"]) -> None:
        self.alone = dict.fromkeys(subscriptions)
        self._rows: list[Row] = []

    async def send(self, message: bytes, before: int, after: int) -> None:
        """Send a message to all rows that stand at `before`."""
        written = 0
        for row in tuple(self._rows):
            if row.at == before:
                written += len(row)
                row.send(message, after)
            if written >= WRITES_A_TURN:
                written = 0
                await asyncio.sleep(0)

    def line_up(self, ready: Iterable["Subscription"], at: int) -> None:
        """Put subscriptions that may stand in a row, and stand at `at`, into rows."""
        small = [row for row in self._rows if len(row) < FEWEST]
        self._rows = [row for row in self._rows if len(row) >= FEWEST]
        waiting = [*ready, *(each for row in small for each in row.dissolve())]
        for start in range(0, len(waiting), WRITES_A_TURN):
            members = waiting[start : start + WRITES_A_TURN]
            if len(members) >= FEWEST:
                self._rows.append(Row(members, at, self.alone))
