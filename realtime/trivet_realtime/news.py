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
    surveys = hub.platform.surveys
    surveys.is_answered_here = True

    def stop_answering() -> None:
        surveys.is_answered_here = False

    return end_all(
        stop_answering,
        hear(broker, Revocation, hub.revoke),
        hear(broker, ClientControl, lambda control: carry_out(hub, control)),
        hear(broker, ClientFrame, lambda frame: _take(hub, frame)),
        hear(broker, ChannelPush, lambda push: _push(hub, push)),
        hear(broker, EphemeralPublication, lambda publication: _publish(hub, publication)),
        hear(broker, Survey, lambda survey: answer_survey(hub, survey)),
    )


def hear(broker: Broker, kind: type[M], handle: Callable[[M], None]) -> Unsubscribe:
    """Have messages of `kind`, from whichever thread, handled on the present event loop."""
    loop = asyncio.get_running_loop()

    def receive(message: M) -> None:
        loop.call_soon_threadsafe(handle, message)

    return broker.subscribe(kind, receive)


def end_all(*endings: Unsubscribe) -> Unsubscribe:
    """The function that ends several subscriptions."""

    def unsubscribe() -> None:
        for end in endings:
            end()

    return unsubscribe


def _take(hub: Hub, frame: ClientFrame) -> None:
    if frame.node == hub.node:
        take_frame(hub, frame.session, frame.data)


def _push(hub: Hub, push: ChannelPush) -> None:
    if push.node != hub.node:
        hub.pushing.push(push.channel, Frame(push.frame.encode()))


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
