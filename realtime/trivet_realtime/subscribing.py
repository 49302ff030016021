"""Subscribing: from a yes to a stream without a hole.

The order is what makes it right. First the subscription is put in its place, where it
holds whatever is delivered; then the position and the missed publications are read; then
the reply is queued; then what was held flows, less what the reply covered. The read began
after the holding, so every publication is in one of the two, and the offsets sort out
which.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trivet.events import outbox
from trivet.events.outbox import Position
from trivet_realtime import codes
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.credentials import Grant, seconds_left
from trivet_realtime.hub import Hub
from trivet_realtime.namespaces import Namespace
from trivet_realtime.protocol import REJECT_UNRECOVERED, SubscribeRequest, SubscribeResult
from trivet_realtime.protocol.publications import to_protocol
from trivet_realtime.protocol.tags import InvalidFilter, read_filter
from trivet_realtime.recovery import Recovery, recover
from trivet_realtime.subscription import Subscription
from trivet_realtime.views import View

FOSSIL = "fossil"


async def subscribe(session: Session, request: SubscribeRequest) -> Answer:
    """Subscribe to a channel; every channel is positioned and recoverable."""
    client = session.client
    _require_possible(session.hub, client, request)
    begun = await begin_subscription(session, request, _find_grant(session, request))
    return Answer(begun.result, begun.start)


@dataclass(frozen=True, slots=True)
class Begun:
    """A subscription that is ready: `start` lets it flow, once `result` is on its way."""

    result: SubscribeResult
    subscription: Subscription
    hub: Hub
    offset: int

    def start(self) -> None:
        if not self.subscription.is_over:
            self.subscription.start(self.offset)
            self.hub.presence.enter(self.subscription)


async def begin_subscription(session: Session, request: SubscribeRequest, grant: Grant) -> Begun:
    """Make the subscription that `grant` allows, of a channel that the client does not have yet.

    Raises what the channel's rule and the database raise; then there is no subscription.
    """
    hub, client = session.hub, session.client
    view = _view_of(request, grant.access.namespace)
    if grant.asks_rule and not grant.access.needs_unit:
        # Before anything is set up: a refusal then costs nothing.
        grant.access.require(client.identity)
    if client.ending is not None:
        raise Disconnected(client.ending)
    subscription = await hub.join(client, grant.access.channel)
    subscription.grant = grant
    try:
        if view is not None:
            hub.see(subscription, view)
        recovery = await _read(hub, client, request, grant)
        _require_recovered(request, recovery)
        position = recovery.position or await _open(hub, client, grant.access.channel)
    except BaseException:
        hub.leave(subscription)
        raise
    expire_later(hub, subscription)
    result = _result(request, recovery, position, grant, view)
    return Begun(result, subscription, hub, position.offset)


def expire_later(hub: Hub, subscription: Subscription) -> None:
    """End `subscription` some time after its grant has ended, unless a newer one comes."""
    if subscription.expiry is not None:
        subscription.expiry.cancel()
        subscription.expiry = None
    grant = subscription.grant
    if grant is not None and grant.expires_at is not None:
        seconds = grant.expires_at - time.time() + hub.bounds.grace_seconds
        subscription.expiry = hub.timers.call_later(
            seconds, lambda: hub.end(subscription, codes.SUBSCRIPTION_EXPIRED)
        )


def _require_possible(hub: Hub, client: Client, request: SubscribeRequest) -> None:
    """Refuse what no client may have."""
    _, namespace = hub.rules.find_namespace(request.channel)
    if request.type != 0 or (request.tf and not namespace.tags_filter):
        # A map or a filtered stream: to serve the plain stream instead would send what the
        # client does not expect.
        raise CommandError(codes.NOT_AVAILABLE)
    if request.channel in client.subscriptions:
        raise CommandError(codes.ALREADY_SUBSCRIBED)
    if len(client.subscriptions) >= hub.bounds.channels:
        raise CommandError(codes.LIMIT_EXCEEDED)


def _find_grant(session: Session, request: SubscribeRequest) -> Grant:
    """The token's grant, or one that asks the channel's rule."""
    hub, client = session.hub, session.client
    access = hub.rules.find_access(request.channel, by_token=bool(request.token))
    if not request.token:
        return Grant(access)
    return hub.credentials.of_subscription(client.credential, client.id, access, request.token)


def _view_of(request: SubscribeRequest, namespace: Namespace) -> View | None:
    tags_filter = None
    if request.tf and namespace.tags_filter:
        try:
            tags_filter = read_filter(bytes(request.tf))
        except InvalidFilter as error:
            raise CommandError(codes.BAD_REQUEST) from error
    is_delta = namespace.delta and request.delta == FOSSIL
    return View(tags_filter, is_delta=is_delta) if is_delta or tags_filter is not None else None


async def _read(hub: Hub, client: Client, request: SubscribeRequest, grant: Grant) -> Recovery:
    """Ask the rule if it reads, and read what there is to recover: one unit of work."""
    asked = Position(request.epoch, request.offset) if request.recover else None
    bounds, namespace = hub.bounds, grant.access.namespace
    async with hub.open_unit(client, read_only=True) as unit:
        if grant.asks_rule and grant.access.needs_unit:
            await grant.access.require_in(unit)
        recovery = await unit.run(
            lambda db, _actor: recover(
                db,
                grant.access.channel,
                asked,
                limit=namespace.reaches_back(bounds.publications),
                limit_bytes=bounds.recovery_bytes,
            )
        )
    return recovery if _is_young(recovery, namespace) else Recovery(recovery.position)


def _is_young(recovery: Recovery, namespace: Namespace) -> bool:
    """Whether nothing recovered is past the age of the channel's history."""
    age = namespace.history_seconds
    if age is None or not recovery.publications:
        return True
    return recovery.publications[0].created_at >= datetime.now(UTC) - timedelta(seconds=age)


def _require_recovered(request: SubscribeRequest, recovery: Recovery) -> None:
    """Raise if the client wants to be complete or not subscribed at all, and is not."""
    if request.recover and request.flag & REJECT_UNRECOVERED and not recovery.recovered:
        raise CommandError(codes.UNRECOVERABLE_POSITION)


async def _open(hub: Hub, client: Client, channel: str) -> Position:
    """Bring a channel to life that nobody published to yet: without an epoch, its first
    subscribers could not recover."""
    async with hub.open_unit(client) as unit:
        return await unit.run(lambda db, _actor: outbox.open_channel(db, channel))


def _result(
    request: SubscribeRequest,
    recovery: Recovery,
    position: Position,
    grant: Grant,
    view: View | None,
) -> SubscribeResult:
    missed = recovery.publications
    # The client sets its offset to the reply's before it takes the publications: after a
    # recovery that is the one it came with, so that it only ever moves forward.
    return SubscribeResult(
        epoch=position.epoch,
        offset=request.offset if recovery.recovered else position.offset,
        recoverable=True,
        positioned=True,
        was_recovering=request.recover,
        recovered=recovery.recovered,
        publications=tuple(map(to_protocol, missed)) if view is None else view.recovered(missed),
        expires=grant.expires_at is not None,
        ttl=seconds_left(grant.expires_at),
        data=grant.data,
        delta=view is not None and view.is_delta,
    )
