"""Judged subscribers: those who do not see every row of a live channel.

They stand beside the stream: what they get is not known before the database was asked, and nobody
else should wait for that. One task for each channel brings them on, all that stand at the same
place together, with one question for all publications that came meanwhile.

A client is sent nothing for what it does not see. Its offset stays where it was, as with a filter.
"""

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement

from trivet.data.outages import find_outage
from trivet.delivery.sights import Sight, Sights
from trivet.events.outbox import Position, StoredPublication
from trivet.identity import Identity
from trivet_realtime.codes import INSUFFICIENT_STATE, INTERNAL, CommandError
from trivet_realtime.frames import Frame, join
from trivet_realtime.live_channels import EVERYTHING, UNSEEN, LiveChannel
from trivet_realtime.recovery import Recovery
from trivet_realtime.slices import in_slices
from trivet_realtime.subscription import State, Subscription
from trivet_realtime.views import NOTHING, Parcel

if TYPE_CHECKING:
    from trivet_realtime.hub import Hub
    from trivet_realtime.stream import Stream

logger = logging.getLogger(__name__)

PART_BYTES = 64 * 1024


class Judging:
    """Brings on the judged subscribers of `stream`; used on the event loop only."""

    __slots__ = ("_hub", "_is_running", "_live", "_stream")

    def __init__(self, hub: "Hub", stream: "Stream", live: LiveChannel) -> None:
        self._hub = hub
        self._stream = stream
        self._live = live
        self._is_running = False

    def begin(self, subscription: Subscription, position: Position) -> None:
        """Let come to `subscription` what it sees of what comes after `position`."""
        subscription.be_judged(position.offset)
        self.wake()

    def wake(self) -> None:
        """Bring on those who are behind and can be sent something."""
        if not self._is_running:
            self._is_running = True
            self._hub.spawn(self._run())

    async def _run(self) -> None:
        try:
            while waiting := self._waiting():
                await self._bring_on(waiting)
        finally:
            self._is_running = False

    def _waiting(self) -> list[Subscription]:
        stream, waiting = self._stream, []
        for each in stream.subscribers:
            if each.state is State.JUDGED and each.reached < stream.offset:
                if each.outgoing.is_clear:
                    waiting.append(each)
                else:
                    each.outgoing.bring_on_when_clear(each)
        return waiting

    async def _bring_on(self, waiting: Sequence[Subscription]) -> None:
        """Send the next publications to those of `waiting` that are furthest behind, and to all
        others that stand among these."""
        start = min(each.reached for each in waiting)
        epoch = self._stream.epoch
        try:
            part = await self._read(start)
            if not part or part[0].offset != start + 1 or epoch != self._stream.epoch:
                self._end(each for each in waiting if each.reached == start)
                return
            behind = [each for each in waiting if each.reached < part[-1].offset]
            identities = {each.client.identity for each in behind}
            sights = await see(self._hub, self._live, part, identities)
            # After another epoch all of them were told that their state is gone.
            if epoch == self._stream.epoch:
                await self._send(behind, part, sights)
        except Exception:
            logger.exception("nobody knows who sees what of %s", self._stream.channel)
            self._end(waiting)

    async def _read(self, start: int) -> Sequence[StoredPublication]:
        recent = self._stream.recent.after(start, limit_bytes=PART_BYTES)
        if recent is not None:
            return recent
        return await self._hub.read_on(self._stream.channel, start)

    async def _send(
        self,
        behind: Iterable[Subscription],
        part: Sequence[StoredPublication],
        sights: Mapping[Identity, Sights | None],
    ) -> None:
        forms = _Forms()
        async for each in in_slices(behind):
            if each.state is not State.JUDGED or each.reached >= part[-1].offset:
                continue
            identity = each.client.identity
            if identity not in sights:
                self._end([each])
                continue
            if _is_in_doubt(sights[identity], behind=each.reached):
                self._hub.end(each, INSUFFICIENT_STATE)
                continue
            try:
                frame = forms.frame(each, part, sights[identity])
                if frame.payload:
                    each.outgoing.offer(frame)  # it was clear, so it has room
            except Exception:  # noqa: BLE001  # it is logged there
                each.client.fail()
            each.reached = part[-1].offset

    def _end(self, subscriptions: Iterable[Subscription]) -> None:
        for each in subscriptions:
            if each.state is State.JUDGED:
                self._hub.end_with_hole(each)


class _Forms:
    """The forms in which some publications are sent, each made once."""

    def __init__(self) -> None:
        self._parcels: dict[tuple[int, Sight], Parcel | None] = {}

    def frame(
        self,
        subscription: Subscription,
        publications: Iterable[StoredPublication],
        sights: Sights | None,
    ) -> Frame:
        """What `subscription` sees of those that it has not been sent; empty if nothing."""
        view = subscription.view
        frames = []
        for each in publications:
            if each.offset > subscription.reached:
                parcel = self._parcel(each, _sight_of(sights, each))
                if parcel is not None:
                    frames.append(
                        parcel.frame if view is None else view.frame(parcel, is_next=False)
                    )
        return join([frame for frame in frames if frame.payload]) if frames else NOTHING

    def _parcel(self, publication: StoredPublication, sight: Sight) -> Parcel | None:
        name = (publication.offset, sight)
        if name not in self._parcels:
            seen = sight.of(publication)
            self._parcels[name] = None if seen is None else Parcel(seen, None)
        return self._parcels[name]


def _is_in_doubt(sights: Sights | None, *, behind: int) -> bool:
    """Whether nobody knows who saw one of the rows that were changed after the offset `behind`."""
    known = () if sights is None else sights.items()
    return any(offset > behind and not sight.is_known for offset, sight in known)


def _sight_of(sights: Sights | None, publication: StoredPublication) -> Sight:
    return EVERYTHING if sights is None else sights.get(publication.offset, UNSEEN)


async def see(
    hub: "Hub",
    live: LiveChannel,
    publications: Sequence[StoredPublication],
    identities: Collection[Identity],
) -> Mapping[Identity, Sights | None]:
    """What each of `identities` sees of `publications`, which follow one another. None: all of it.
    One for which a rule fails is missing, and the fault is logged."""
    found: dict[Identity, Sights | None] = {}
    conditions = {}
    for identity in identities:
        try:
            condition = live.condition(identity)
        except Exception:
            logger.exception("a row rule of %s failed", live.feed.channel)
            continue
        if condition is None:
            found[identity] = None
        else:
            conditions[identity] = condition
    if conditions:
        found.update(await _ask(hub, live, publications, conditions))
    return found


async def _ask(
    hub: "Hub",
    live: LiveChannel,
    publications: Sequence[StoredPublication],
    conditions: Mapping[Identity, ColumnElement[bool]],
) -> Mapping[Identity, Sights]:
    try:
        async with hub.turns, hub.platform.database.unit(read_only=True) as session:
            return await session.run_sync(live.see, publications, conditions)
    except Exception as error:
        # The condition of one identity must not keep the others from what they see.
        if find_outage(error) is not None:
            raise
        if len(conditions) == 1:
            logger.exception("a row rule of %s cannot be asked", live.feed.channel)
            return {}
    found: dict[Identity, Sights] = {}
    for identity, condition in conditions.items():
        found.update(await _ask(hub, live, publications, {identity: condition}))
    return found


async def judge_recovery(
    hub: "Hub", live: LiveChannel, identity: Identity, recovery: Recovery
) -> Recovery:
    """`recovery` as `identity` sees it; not recovered, if a part of it cannot be judged.

    Raises CommandError (100) if a rule fails.
    """
    publications = recovery.publications
    if not publications:
        return recovery
    sights = await see(hub, live, publications, [identity])
    if identity not in sights:
        raise CommandError(INTERNAL)
    seen = sights[identity]
    if seen is not None and (
        any(each.offset not in seen for each in publications) or _is_in_doubt(seen, behind=0)
    ):
        return Recovery(recovery.position)
    shown = (_sight_of(seen, each).of(each) for each in publications)
    return replace(recovery, publications=[each for each in shown if each is not None])


async def judge_again(hub: "Hub") -> None:
    """Let those subscribe anew who see every row of a live channel since, or no more, though
    nothing of them has changed: a rule may go by the clock."""
    for channel, subscriptions in tuple(hub.channels.items()):
        live = hub.find_live(channel)
        if live is None:
            continue
        async for each in in_slices(subscriptions):
            if each.is_live and _is_seen_otherwise(live, each):
                hub.end(each, INSUFFICIENT_STATE)


def _is_seen_otherwise(live: LiveChannel, subscription: Subscription) -> bool:
    try:
        is_judged = live.is_judged(subscription.client.identity)
    except Exception:
        logger.exception("a row rule of %s failed", subscription.channel)
        return True
    return is_judged != (subscription.live is not None)
