"""What other processes tell about the clients of sockets, and what the hub does with it.

A message may come in any thread; it is handled on the event loop.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from trivet.broker import Broker, M, Unsubscribe
from trivet.delivery.controls import (
    ChannelPush,
    ClientControl,
    ClientFrame,
    EphemeralPublication,
    Survey,
)
from trivet.events.outbox import StoredPublication
from trivet.identity import Revocation
from trivet_realtime.answering import answer_survey
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.server_api.controlling import carry_out
from trivet_realtime.transports.emulation import take_frame


def receive_news(hub: Hub, broker: Broker) -> Unsubscribe:
    """Let `hub` hear what concerns its clients. Returns the function that ends it."""
    loop = asyncio.get_running_loop()

    def subscribe(kind: type[M], handle: Callable[[M], None]) -> Unsubscribe:
        return broker.subscribe(kind, lambda message: _soon(loop, handle, message))

    endings = [
        subscribe(Revocation, hub.revoke),
        subscribe(ClientControl, lambda control: carry_out(hub, control)),
        subscribe(ClientFrame, lambda frame: _take(hub, frame)),
        subscribe(ChannelPush, lambda push: _push(hub, push)),
        subscribe(EphemeralPublication, lambda publication: _publish(hub, publication)),
        subscribe(Survey, lambda survey: answer_survey(hub, survey)),
    ]
    surveys = hub.platform.surveys
    surveys.is_answered_here = True

    def unsubscribe() -> None:
        surveys.is_answered_here = False
        for end in endings:
            end()

    return unsubscribe


def _soon(loop: asyncio.AbstractEventLoop, handle: Callable[[M], None], message: M) -> None:
    loop.call_soon_threadsafe(handle, message)


def _take(hub: Hub, frame: ClientFrame) -> None:
    if frame.node == hub.node:
        take_frame(hub, frame.session, frame.data)


def _push(hub: Hub, push: ChannelPush) -> None:
    if push.node != hub.node:
        hub.push(push.channel, Frame(push.frame.encode()))


def _publish(hub: Hub, ephemeral: EphemeralPublication) -> None:
    if ephemeral.node == hub.node:
        return
    stored = StoredPublication(
        ephemeral.channel,
        0,
        ephemeral.data.encode(),
        datetime.now(UTC),
        None if ephemeral.tags is None else ephemeral.tags.encode(),
        None if ephemeral.publisher is None else ephemeral.publisher.encode(),
    )
    hub.push_ephemeral(stored)
