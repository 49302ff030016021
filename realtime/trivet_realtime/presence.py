"""Presence: who is subscribed to a channel, and who comes and goes.

What a process knows of its own clients needs no table: a subscription that has begun is present,
and one that has ended is not. Where processes share a broker, each also keeps rows of its clients
for the others (`trivet.delivery.presence`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy.exc import IntegrityError

from trivet.data.outages import find_outage
from trivet.delivery import presence as rows
from trivet.delivery.batched_read import BatchedRead
from trivet.delivery.presence import RENEW_SECONDS, Member
from trivet.missing_tables import lacks_table
from trivet_realtime.frames import Frame
from trivet_realtime.protocol import ClientInfo, encode_join, encode_json, encode_leave

if TYPE_CHECKING:
    from trivet_realtime.hub import Hub
    from trivet_realtime.subscription import Subscription

logger = logging.getLogger(__name__)

Place = tuple[str, str]
"""A channel, and a client in it."""
AT_ONCE = 500
"""The places that one statement writes or removes."""
Work = Callable[[], Awaitable[None]]
_infos = msgspec.json.Decoder(ClientInfo)


class Presence:
    """The subscribers of channels; used on the event loop only."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._is_noted = False
        self._noted: set[Place] = set()
        self._entering = BatchedRead(self._enter, limit=AT_ONCE)
        self._left: set[Place] = set()
        self._is_leaving = False
        self._removing: frozenset[Place] = frozenset()
        self._removed = asyncio.Event()

    @property
    def _is_shared(self) -> bool:
        return self._hub.platform.broker.state.is_shared

    async def note(self, subscription: "Subscription") -> None:
        """Note a subscription for other processes, before it is answered."""
        grant = subscription.grant
        if grant is None or not grant.presence or not self._is_shared:
            return
        place = subscription.channel, subscription.client.id
        if not self._is_noted:
            await self._renew()
            self._is_noted = True
        await self._end_leaving(place)
        self._noted.add(place)
        try:
            await self._entering.ask(_member_of(subscription))
        finally:
            if subscription.is_over:
                # It has left meanwhile, and its row may have come after its removal.
                self._left.add(place)
                self._begin_leaving()

    def enter(self, subscription: "Subscription") -> None:
        """Note that a subscription has begun, and tell the others. Its reply is on its way."""
        grant = subscription.grant
        assert grant is not None
        if subscription.is_over or not (grant.presence or grant.join_leave):
            return
        subscription.info = subscription.client.info(grant.info)
        if grant.join_leave:
            frame = Frame(encode_join(subscription.channel, subscription.info))
            self._hub.pushing.push_everywhere(subscription.channel, frame)

    def leave(self, subscription: "Subscription") -> None:
        """Note that a subscription has ended, and tell the others."""
        info, subscription.info = subscription.info, None
        grant = subscription.grant
        self._remove((subscription.channel, subscription.client.id))
        if info is not None and grant is not None and grant.join_leave:
            frame = Frame(encode_leave(subscription.channel, info))
            self._hub.pushing.push_everywhere(subscription.channel, frame)

    async def members(self, channel: str) -> dict[str, ClientInfo]:
        """The clients that are subscribed to `channel`, by their ids."""
        members = {
            each.client.id: each.info
            for each in self._hub.subscribers(channel)
            if each.info is not None and each.grant is not None and each.grant.presence
        }
        if self._is_shared:
            async with self._hub.platform.database.unit(read_only=True) as session:
                found = await session.run_sync(rows.list_elsewhere, channel, self._hub.node)
            members |= {client: _infos.decode(info) for client, info in found.items()}
        return members

    async def run(self) -> None:
        """Be in the register of processes, and renew at intervals, until the task is cancelled."""
        while self._is_shared:
            await self._try("the presence of clients could not be renewed", self._renew)
            self._begin_leaving()
            await asyncio.sleep(RENEW_SECONDS)

    async def stop(self) -> None:
        """Remove all rows of this process."""
        if self._is_shared:
            await self._entering.stop()
            await self._try("the presence of clients could not be removed", self._leave_all)

    async def _end_leaving(self, place: Place) -> None:
        """Let no removal that began before remove the row that is written next."""
        self._left.discard(place)
        while place in self._removing:
            await self._removed.wait()
            self._left.discard(place)

    async def _renew(self) -> None:
        node = self._hub.node
        async with self._hub.platform.database.unit() as session:
            if await session.run_sync(rows.renew, node) and self._noted:
                await session.run_sync(rows.enter, node, self._list_members())

    async def _enter(self, members: Sequence[Member]) -> Mapping[Member, None]:
        """Write the rows of all who come while those before them are written: one transaction, and
        not one for each channel of each client."""
        try:
            await self._write(members)
        except IntegrityError:
            # Others took this process for dead, as after a long outage.
            await self._renew()
            await self._write(members)
        return dict.fromkeys(members)

    async def _write(self, members: Sequence[Member]) -> None:
        async with self._hub.platform.database.unit() as session:
            await session.run_sync(rows.enter, self._hub.node, members)

    def _list_members(self) -> list[Member]:
        """Everybody who is noted."""
        return [
            _member_of(each)
            for client in self._hub.clients
            for each in client.subscriptions.values()
            if (each.channel, client.id) in self._noted
        ]

    async def _leave_all(self) -> None:
        async with self._hub.platform.database.unit() as session:
            await session.run_sync(rows.leave_all, self._hub.node)

    def _remove(self, place: Place) -> None:
        if place in self._noted:
            self._noted.discard(place)
            self._left.add(place)
            self._begin_leaving()

    def _begin_leaving(self) -> None:
        """Remove what has left, in a task that does the work of all who leave meanwhile."""
        if self._left and not self._is_leaving:
            self._is_leaving = True
            self._hub.spawn(self._finish_leaving())

    async def _finish_leaving(self) -> None:
        await self._try("clients that left could not be removed", self._leave)
        self._is_leaving = False

    async def _leave(self) -> None:
        while self._left:
            places = list(self._left)[:AT_ONCE]
            # Taken first: who comes back meanwhile is noted anew, and leaves anew.
            self._left.difference_update(places)
            self._removing, self._removed = frozenset(places), asyncio.Event()
            try:
                async with self._hub.platform.database.unit() as session:
                    await session.run_sync(rows.leave, places)
            except BaseException:
                self._left.update(places)
                raise
            finally:
                self._removing = frozenset()
                self._removed.set()

    async def _try(self, sentence: str, work: Work) -> None:
        """Do `work`. Where it fails, the next renewal does what was left."""
        try:
            await work()
        except Exception as error:
            if (outage := find_outage(error)) is not None:
                logger.warning("%s: %s", sentence, outage.state)
            elif not lacks_table(error):
                logger.exception(sentence)


def _member_of(subscription: "Subscription") -> Member:
    client, grant = subscription.client, subscription.grant
    assert grant is not None
    info = bytes(encode_json(client.info(grant.info))).decode()
    return Member(subscription.channel, client.id, info)
