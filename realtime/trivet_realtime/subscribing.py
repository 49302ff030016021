"""The subscribe command: from a rule's yes to a stream without a hole.

The order is what makes it right. First the subscription is put in its place, where it
holds whatever is delivered; then the position and the missed publications are read; then
the reply is queued; then what was held flows, less what the reply covered. The read began
after the holding, so every publication is in one of the two, and the offsets sort out
which.
"""

from trivet.events import outbox
from trivet.events.outbox import Position
from trivet_realtime import codes
from trivet_realtime.channels import Access
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.hub import Hub, to_protocol
from trivet_realtime.protocol import (
    REJECT_UNRECOVERED,
    SubscribeRequest,
    SubscribeResult,
)
from trivet_realtime.recovery import Recovery, recover


async def subscribe(session: Session, request: SubscribeRequest) -> Answer:
    """Subscribe to a channel; every channel is positioned and recoverable."""
    hub, client = session.hub, session.client
    access = _require_possible(hub, client, request)
    if not access.needs_unit:
        # Before anything is set up: a refusal then costs nothing.
        access.require(client.identity)
    subscription = await hub.join(client, request.channel)
    try:
        recovery = await _read(hub, client, access, request)
        _require_recovered(request, recovery)
        position = recovery.position or await _open(hub, client, request.channel)
    except BaseException:
        hub.leave(subscription)
        raise
    result = _result(request, recovery, position)
    return Answer(result, lambda: subscription.start(position.offset))


def _require_possible(hub: Hub, client: Client, request: SubscribeRequest) -> Access:
    """Refuse what no client may have; return the rule that decides about the rest."""
    access = hub.rules.find_access(request.channel)
    if request.type != 0 or request.tf:
        # A map or a filtered stream: to serve the plain stream instead would send what the
        # client does not expect.
        raise CommandError(codes.NOT_AVAILABLE)
    if request.channel in client.subscriptions:
        raise CommandError(codes.ALREADY_SUBSCRIBED)
    if len(client.subscriptions) >= hub.bounds.channels:
        raise CommandError(codes.LIMIT_EXCEEDED)
    if request.token:
        raise CommandError(codes.PERMISSION_DENIED)
    return access


async def _read(hub: Hub, client: Client, access: Access, request: SubscribeRequest) -> Recovery:
    """Ask the rule if it reads, and read what there is to recover: one unit of work."""
    asked = Position(request.epoch, request.offset) if request.recover else None
    bounds = hub.bounds
    async with hub.open_unit(client, read_only=True) as unit:
        if access.needs_unit:
            await access.require_in(unit)
        return await unit.run(
            lambda db, _actor: recover(
                db,
                request.channel,
                asked,
                limit=bounds.publications,
                limit_bytes=bounds.recovery_bytes,
            )
        )


def _require_recovered(request: SubscribeRequest, recovery: Recovery) -> None:
    """Raise if the client wants to be complete or not subscribed at all, and is not."""
    if request.recover and request.flag & REJECT_UNRECOVERED and not recovery.recovered:
        raise CommandError(codes.UNRECOVERABLE_POSITION)


async def _open(hub: Hub, client: Client, channel: str) -> Position:
    """Bring a channel to life that nobody published to yet: without an epoch, its first
    subscribers could not recover."""
    async with hub.open_unit(client) as unit:
        return await unit.run(lambda db, _actor: outbox.open_channel(db, channel))


def _result(request: SubscribeRequest, recovery: Recovery, position: Position) -> SubscribeResult:
    # The client sets its offset to the reply's before it takes the publications: after a
    # recovery that is the one it came with, so that it only ever moves forward.
    return SubscribeResult(
        epoch=position.epoch,
        offset=request.offset if recovery.recovered else position.offset,
        recoverable=True,
        positioned=True,
        was_recovering=request.recover,
        recovered=recovery.recovered,
        publications=tuple(map(to_protocol, recovery.publications)),
    )
