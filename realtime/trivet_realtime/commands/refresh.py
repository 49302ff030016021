"""The commands that bring newer tokens, before the old ones end."""

from trivet_realtime import codes
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands.session import Session
from trivet_realtime.credentials import seconds_left
from trivet_realtime.protocol import (
    RefreshRequest,
    RefreshResult,
    SubRefreshRequest,
    SubRefreshResult,
)
from trivet_realtime.subscribing import expire_later


async def refresh(session: Session, request: RefreshRequest) -> RefreshResult:
    """Take a newer connection token of the same user.

    A token that does not hold ends the connection, as it would have at its beginning. One that has
    ended ends it too, so that the SDK asks for another one and comes back.
    """
    client = session.client
    if not request.token:
        raise CommandError(codes.BAD_REQUEST)
    if not client.credential.is_token:
        raise CommandError(codes.NOT_AVAILABLE)
    try:
        credential = await session.hub.credentials.of_token(request.token)
    except CommandError as error:
        raise Disconnected(codes.CONNECTION_EXPIRED) from error
    if credential.user != client.credential.user or not credential.is_token:
        raise Disconnected(codes.INVALID_TOKEN)
    client.accept(credential, session.hub.timers)
    expires_at = credential.expires_at
    return RefreshResult(
        client=client.id,
        version=session.hub.version,
        expires=expires_at is not None,
        ttl=seconds_left(expires_at),
    )


async def sub_refresh(session: Session, request: SubRefreshRequest) -> SubRefreshResult:
    """Take a newer token for a subscription. A mistake is answered, and changes nothing."""
    hub, client = session.hub, session.client
    if not request.token:
        raise CommandError(codes.BAD_REQUEST)
    subscription = client.subscriptions.get(request.channel)
    if subscription is None or not subscription.is_live:
        raise CommandError(codes.PERMISSION_DENIED)
    former = subscription.grant
    if former is None or former.expires_at is None:
        raise CommandError(codes.NOT_AVAILABLE)
    grant = hub.credentials.of_subscription(
        client.credential, client.id, former.access, request.token
    )
    subscription.grant = grant
    expire_later(hub, subscription)
    return SubRefreshResult(
        expires=grant.expires_at is not None, ttl=seconds_left(grant.expires_at)
    )
