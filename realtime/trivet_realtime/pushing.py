"""Pushes that are in no history: who joins, who leaves, and what is ephemeral.

When many clients come at once, each is told of each: that many objects there are, whatever is done.
They need not be that many frames. What is pushed is gathered, so that a client gets all that waits
for it in one frame, and the event loop gets its turn between the clients. Then the work rests for
as long as it took: the more there is to do, the more is gathered, and at least half of the time is
left to everybody else. With few clients it rests for no time that anybody could tell.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from trivet.delivery.controls import ChannelPush
from trivet_realtime.frames import Frame, join_in_parts
from trivet_realtime.views import Parcel

if TYPE_CHECKING:
    from trivet_realtime.client import Client
    from trivet_realtime.hub import Hub
    from trivet_realtime.subscription import Subscription

FRAMES_A_TURN = 256
"""Frames that are put together before the event loop gets its turn; about a millisecond."""
LOOKED_AT_A_TURN = 5_000
"""Subscriptions whose clients are noted before the event loop gets its turn."""


class Pushing:
    """What is to be pushed to clients of this process, and of others; used on the event loop
    only."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._waiting: dict[str, list[Frame | Parcel]] = {}
        self._for_others: dict[str, list[Frame]] = {}
        self._is_working = False

    def push(self, channel: str, pushed: Frame | Parcel) -> None:
        """Send a push, or an ephemeral publication, to all who hear `channel` here."""
        self._waiting.setdefault(channel, []).append(pushed)
        if not self._is_working:
            self._is_working = True
            self._hub.spawn(self._work())

    def push_everywhere(self, channel: str, frame: Frame) -> None:
        """Send a push to all who hear `channel`, here and elsewhere."""
        self._for_others.setdefault(channel, []).append(frame)
        self.push(channel, frame)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                began = loop.time()
                self._tell_others()
                await self._send_waiting()
                await asyncio.sleep(loop.time() - began)
        finally:
            self._is_working = False

    def _tell_others(self) -> None:
        for_others, self._for_others = self._for_others, {}
        broker, node = self._hub.platform.broker, self._hub.node
        for channel, frames in for_others.items():
            for part in join_in_parts(frames):
                text = part.payload.decode()
                broker.publish(ChannelPush(channel=channel, node=node, frame=text))

    async def _send_waiting(self) -> None:
        waiting, self._waiting = self._waiting, {}
        shared = {
            channel: tuple(join_in_parts(_plain(pushed))) for channel, pushed in waiting.items()
        }
        count = 0
        for client in await self._find_clients(waiting):
            frames: list[Frame] = []
            try:
                for channel, pushed in waiting.items():
                    subscription = client.subscriptions.get(channel)
                    if subscription is not None and subscription.is_live:
                        frames += _seen(subscription, pushed, shared[channel])
                for part in join_in_parts(frames):
                    client.send(part)
            except Exception:  # noqa: BLE001  # it is logged there
                client.fail()
            count += len(frames)
            if count >= FRAMES_A_TURN:
                count = 0
                await asyncio.sleep(0)

    async def _find_clients(self, channels: Iterable[str]) -> Iterable["Client"]:
        """Who hears one of `channels`."""
        clients: dict[Client, None] = {}
        count = 0
        for channel in channels:
            subscribers = self._hub.subscribers(channel)
            clients.update(dict.fromkeys([each.client for each in subscribers]))
            count += len(subscribers)
            if count >= LOOKED_AT_A_TURN:
                count = 0
                await asyncio.sleep(0)
        return clients


def _plain(pushed: Iterable[Frame | Parcel]) -> list[Frame]:
    """What those get who see a channel as most do."""
    return [each if isinstance(each, Frame) else each.frame for each in pushed]


def _seen(
    subscription: "Subscription", pushed: Sequence[Frame | Parcel], shared: Sequence[Frame]
) -> Iterable[Frame]:
    """What one subscription gets; `shared` is what others do."""
    view = subscription.view
    if view is None and subscription.live is None:
        return shared
    frames: list[Frame] = []
    for each in pushed:
        if isinstance(each, Frame):
            frames.append(each)
        elif subscription.live is None and view is not None:
            # What is no row of the class cannot be judged.
            frame = view.frame(each, is_next=False)
            if frame.payload:
                frames.append(frame)
    return frames
