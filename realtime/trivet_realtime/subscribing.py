"""Subscribing: from a yes to a stream without a hole.

The order is what makes it right. The subscription is put in its place, and the channel is watched.
A rule that reads is asked. Then it is found out where the client stands and what it missed, from
memory or by a read that many share, and the reply is queued. What came meanwhile is sent behind it:
the subscription starts at the position that the reply tells, wherever the stream is by then.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from trivet.events.outbox import Position
from trivet_realtime import codes
from trivet_realtime.channels import Access
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.credentials import Grant, seconds_left
from trivet_realtime.hub import Hub
from trivet_realtime.judging import judge_recovery
from trivet_realtime.live_channels import epoch_for, is_seen_by, own_epoch
from trivet_realtime.namespaces import Namespace
from trivet_realtime.protocol import REJECT_UNRECOVERED, SubscribeRequest, SubscribeResult
from trivet_realtime.protocol.publications import to_protocol
from trivet_realtime.protocol.tags import InvalidFilter, read_filter
from trivet_realtime.recovery import Recovery
from trivet_realtime.subscription import Subscription
from trivet_realtime.views import View

FOSSIL = "fossil"

SUBSCRIBES_AT_ONCE = 40
"""How many subscribes of one client are worked on together, so that they share reads. Rules that
take a connection to the database have a bound of their own (`Hub.turns`)."""


async def subscribe(session: Session, request: SubscribeRequest) -> Answer:
    """Subscribe to a channel; every channel is recoverable."""
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
    position: Position

    def start(self) -> None:
        if not self.subscription.is_over:
            self.subscription.start(self.position)
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
    if grant.asks_rule:
        subscription.stream.grant = grant
    try:
        if view is not None:
            hub.see(subscription, view)
        if grant.asks_rule and grant.access.needs_unit:
            await ask_rule(hub, client, grant.access)
        # Whatever allowed the subscription, its client sees no rows that it may not see.
        subscription.live = live = hub.find_judged(grant.access.channel, client.identity)
        recovery = await _recover(hub, subscription, request, grant.access.namespace)
        if live is not None:
            view = subscription.view = None if view is None else view.without_differences()
            recovery = await judge_recovery(hub, live, client.identity, recovery)
        _require_recovered(request, recovery)
        await hub.presence.note(subscription)
    except BaseException:
        hub.leave(subscription)
        raise
    if subscription.is_over and client.ending is None:
        # Somebody unsubscribed the client meanwhile, and it was told so.
        raise CommandError(codes.PERMISSION_DENIED)
    expire_later(hub, subscription)
    result = _result(subscription, request, recovery, view)
    if hub.find_live(grant.access.channel) is not None:
        result.epoch = epoch_for(client.identity, result.epoch, is_judged=live is not None)
    return Begun(result, subscription, hub, recovery.position)


async def begin_together(
    session: Session, asked: Sequence[tuple[SubscribeRequest, Grant]]
) -> list[Begun]:
    """Make several subscriptions like `begin_subscription`, or none, and return them in order."""
    waiting = deque(enumerate(asked))
    begun: dict[int, Begun] = {}

    async def work() -> None:
        while waiting:
            number, (request, grant) = waiting.popleft()
            try:
                begun[number] = await begin_subscription(session, request, grant)
            except BaseException:
                waiting.clear()
                raise

    works = (work() for _ in range(min(len(asked), SUBSCRIBES_AT_ONCE)))
    # Those that have begun come to their end: who is cancelled in a statement costs a connection.
    ends = await asyncio.gather(*works, return_exceptions=True)
    errors = [end for end in ends if end is not None]
    if errors:
        for each in begun.values():
            session.hub.leave(each.subscription)
        raise errors[0]
    return [begun[number] for number in range(len(asked))]


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
    if not client.has_room():
        raise CommandError(codes.LIMIT_EXCEEDED)


def _find_grant(session: Session, request: SubscribeRequest) -> Grant:
    """The token's grant, or one that asks the channel's rule."""
    hub, client = session.hub, session.client
    if not request.token:
        return hub.find_grant(request.channel)
    access = hub.rules.find_access(request.channel, by_token=True)
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


async def ask_rule(hub: Hub, client: Client, access: Access) -> None:
    """Ask a rule that reads. Not more at a time than leave connections for others, who wait their
    turn; one whose client left meanwhile is not asked any more."""
    async with hub.turns:
        if client.ending is not None:
            raise Disconnected(client.ending)
        async with hub.open_unit(client, read_only=True) as unit:
            await access.require_in(unit)


async def _recover(
    hub: Hub, subscription: Subscription, request: SubscribeRequest, namespace: Namespace
) -> Recovery:
    """What there is to recover, as far as the channel's history goes."""
    asked = _asked(hub, subscription, request) if request.recover else None
    bounds = hub.bounds
    recovery = await hub.recover(
        subscription,
        asked,
        limit=namespace.reaches_back(bounds.publications),
        limit_bytes=bounds.recovery_bytes,
    )
    return recovery if _is_young(recovery, namespace) else Recovery(recovery.position)


def _asked(hub: Hub, subscription: Subscription, request: SubscribeRequest) -> Position | None:
    """The position that the client stands at; None if nothing leads on from there."""
    if hub.find_live(subscription.channel) is None:
        return Position(request.epoch, request.offset)
    identity, is_judged = subscription.client.identity, subscription.live is not None
    if not is_seen_by(identity, request.epoch, is_judged=is_judged):
        return None
    return Position(own_epoch(request.epoch), request.offset)


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


def _result(
    subscription: Subscription,
    request: SubscribeRequest,
    recovery: Recovery,
    view: View | None,
) -> SubscribeResult:
    position, missed, grant = recovery.position, recovery.publications, subscription.grant
    assert grant is not None
    # The client sets its offset to the reply's before it takes the publications: after a
    # recovery that is the one it came with, so that it only ever moves forward.
    return SubscribeResult(
        epoch=position.epoch,
        offset=request.offset if recovery.recovered else position.offset,
        recoverable=True,
        # Who does not see every row is sent offsets with gaps, which are no holes.
        positioned=subscription.live is None,
        was_recovering=request.recover,
        recovered=recovery.recovered,
        publications=tuple(map(to_protocol, missed)) if view is None else view.recovered(missed),
        expires=grant.expires_at is not None,
        ttl=seconds_left(grant.expires_at),
        data=grant.data,
        delta=view is not None and view.is_delta,
    )
