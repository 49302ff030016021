"""The connect command: who the client is, and what the server subscribes it to."""

from collections.abc import Iterator

from trivet.context import current_context
from trivet.identity.tokens import InvalidToken, SubscriptionOptions
from trivet_realtime import codes
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.credentials import Grant, grant_of_server, seconds_left
from trivet_realtime.protocol import ConnectRequest, ConnectResult, SubscribeRequest
from trivet_realtime.subscribing import Begun, begin_together


async def connect(session: Session, request: ConnectRequest) -> Answer:
    """Begin, as whom the handshake or the token says."""
    client = session.client
    if client.is_connected:
        raise Disconnected(codes.MALFORMED)
    client.is_connecting = True
    try:
        return await _connect(session, request)
    finally:
        client.is_connecting = False


async def _connect(session: Session, request: ConnectRequest) -> Answer:
    hub, client = session.hub, session.client
    if request.token:
        # Nothing is awaited between the two, so no revocation falls between them.
        client.accept(await hub.credentials.of_token(request.token), hub.timers)
        _identify_request(client)
    begun = await _subscribe(session, request)
    expires_at = client.credential.expires_at
    result = ConnectResult(
        client=client.id,
        version=hub.version,
        ping=max(1, round(hub.bounds.ping_seconds)),
        pong=True,
        session=client.session,
        node=hub.node,
        expires=expires_at is not None,
        ttl=seconds_left(expires_at),
        subs={each.subscription.channel: each.result for each in begun} or None,
    )

    def begin() -> None:
        client.is_connected = True
        _start(begun)

    return Answer(result, begin)


def _identify_request(client: Client) -> None:
    """Say whose the request is that carries `client`: its line in the log names who came by it."""
    if (context := current_context()) is not None:
        context.identity = client.identity


async def _subscribe(session: Session, request: ConnectRequest) -> list[Begun]:
    """Make all subscriptions of the server, or none: after a refusal the client may connect again,
    and gets them then."""
    grants = list(_grants(session))
    if not session.client.has_room(len(grants)):
        raise Disconnected(codes.CHANNEL_LIMIT)
    return await begin_together(session, [(_request_of(request, each), each) for each in grants])


def _start(begun: list[Begun]) -> None:
    for each in begun:
        each.start()


def _grants(session: Session) -> Iterator[Grant]:
    """What the server subscribes the client to: its own channels, and those that its token names.

    Raises Disconnected for a token that names what cannot be: its maker has to be told.
    """
    hub, credential = session.hub, session.client.credential
    own = {name: SubscriptionOptions() for name in hub.rules.personal_channels(credential.identity)}
    for channel, options in (own | dict(credential.subs)).items():
        try:
            yield grant_of_server(hub.rules.find_access(channel, by_token=True), options)
        except (CommandError, InvalidToken) as error:
            raise Disconnected(codes.INVALID_TOKEN) from error


def _request_of(request: ConnectRequest, grant: Grant) -> SubscribeRequest:
    """A subscription as the client would have asked for it: with the position that it came with."""
    asked = request.subs.get(grant.access.channel)
    if asked is None:
        return SubscribeRequest(channel=grant.access.channel)
    return SubscribeRequest(
        channel=grant.access.channel,
        recover=asked.recover,
        epoch=asked.epoch,
        offset=asked.offset,
    )
