"""The commands of the protocol, each a function, and the table that finds them.

The commands of a connection are handled strictly one after the other: an SDK sends connect
and all its subscribes in one frame and relies on their order. A handler queues its own reply,
because some have more to send once the reply is on its way.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from trivet.data.errors import explain
from trivet.errors import (
    Forbidden,
    Invalid,
    NotFound,
    TrivetError,
    Unauthenticated,
)
from trivet.events import outbox
from trivet.events.outbox import Position
from trivet_realtime import codes
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, Disconnected, ErrorCode
from trivet_realtime.hub import Hub, to_protocol
from trivet_realtime.protocol import (
    Command,
    ConnectResult,
    Empty,
    HistoryResult,
    MalformedFrame,
    decode_frame,
    has_unknown_method,
)
from trivet_realtime.subscribing import subscribe

logger = logging.getLogger(__name__)

Handler = Callable[[Hub, Client, Command], Awaitable[None]]

SERVER_VERSION = "trivet"
"""The server's name for clients, without a version number that would help an attacker."""


async def connect(hub: Hub, client: Client, command: Command) -> None:
    """Begin. Who the client is was established at the root, before the handshake."""
    assert command.connect is not None
    if client.connected.is_set():
        raise Disconnected(codes.MALFORMED)
    if command.connect.token:
        # No token can be valid while none is issued; to ignore it would leave its bearer
        # with less than it believes to have.
        raise Disconnected(codes.INVALID_TOKEN)
    result = ConnectResult(
        client=client.id,
        version=SERVER_VERSION,
        ping=max(1, round(hub.bounds.ping_seconds)),
        pong=True,
        session=client.session,
        node=hub.node,
    )
    client.reply(command.id, "connect", result)
    client.connected.set()


async def unsubscribe(hub: Hub, client: Client, command: Command) -> None:
    """End a subscription. Not to have it is what was asked for, and no error."""
    assert command.unsubscribe is not None
    subscription = client.subscriptions.get(command.unsubscribe.channel)
    if subscription is not None:
        hub.leave(subscription)
    client.reply(command.id, "unsubscribe", Empty())


async def history(hub: Hub, client: Client, command: Command) -> None:
    """Read a channel's publications, under the rule that governs subscribing to it."""
    assert command.history is not None
    request = command.history
    access = hub.rules.find_access(request.channel)
    most = hub.bounds.publications
    limit = most if request.limit < 0 else min(request.limit, most)
    since = request.since
    async with hub.open_unit(client, read_only=True) as unit:
        await access.require_in(unit)
        found = await unit.run(lambda db, _actor: outbox.find_position(db, request.channel))
        position = found or Position(epoch="", offset=0)
        if since is not None and since.epoch not in ("", position.epoch):
            raise CommandError(codes.UNRECOVERABLE_POSITION)
        rows = await unit.run(
            lambda db, _actor: outbox.list_after(
                db,
                request.channel,
                0 if since is None else since.offset,
                limit=limit,
                reverse=request.reverse,
            )
        )
    result = HistoryResult(tuple(map(to_protocol, rows)), position.epoch, position.offset)
    client.reply(command.id, "history", result)


async def ping(_hub: Hub, client: Client, command: Command) -> None:
    """Answer; the frames `{}` are what keeps a connection alive, this is for the curious."""
    client.reply(command.id, "ping", Empty())


async def send(_hub: Hub, _client: Client, _command: Command) -> None:
    """Refuse: a message without a reply has no other place to learn that nobody takes it."""
    raise Disconnected(codes.SEND_NOT_AVAILABLE)


async def not_available(_hub: Hub, _client: Client, _command: Command) -> None:
    """Refuse what the protocol has and this server has not."""
    raise CommandError(codes.NOT_AVAILABLE)


HANDLERS: Mapping[str, Handler] = {
    "connect": connect,
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "history": history,
    "ping": ping,
    "send": send,
    "publish": not_available,
    "presence": not_available,
    "presence_stats": not_available,
    "rpc": not_available,
    "refresh": not_available,
    "sub_refresh": not_available,
}


async def handle_frame(hub: Hub, client: Client, text: str) -> None:
    """Handle the commands of one frame, in order, until one ends the connection."""
    try:
        commands = decode_frame(text)
    except MalformedFrame:
        client.disconnect(codes.MALFORMED)
        return
    for index, command in enumerate(commands):
        try:
            await _handle(hub, client, command, text, index)
        except CommandError as error:
            client.refuse(command.id, error.code)
        except Disconnected as end:
            client.disconnect(end.code)
        except Exception as error:  # noqa: BLE001  # one failing command is no reason to cut off the client
            client.refuse(command.id, _meaning(error))
        if client.ending is not None:
            return


async def _handle(hub: Hub, client: Client, command: Command, text: str, index: int) -> None:
    methods = command.methods()
    if not client.connected.is_set() and methods != ["connect"]:
        raise Disconnected(codes.MALFORMED)
    if not command.id and methods != ["send"]:
        if methods or has_unknown_method(text, index) or not client.take_pong():
            raise Disconnected(codes.MALFORMED)
        return
    if not methods:
        if has_unknown_method(text, index):
            raise CommandError(codes.METHOD_NOT_FOUND)
        raise Disconnected(codes.MALFORMED)
    if len(methods) > 1:
        raise CommandError(codes.BAD_REQUEST)
    await HANDLERS[methods[0]](hub, client, command)


_MEANINGS: Mapping[type[TrivetError], ErrorCode] = {
    Unauthenticated: codes.UNAUTHORIZED,
    Forbidden: codes.PERMISSION_DENIED,
    NotFound: codes.UNKNOWN_CHANNEL,
    Invalid: codes.BAD_REQUEST,
}


def _meaning(error: Exception) -> ErrorCode:
    """The error code of what a rule or the database raised; 100 for everything else.

    What is unavailable now is 100 as well: it is temporary, so the SDK tries again.
    """
    explained = explain(error)
    if explained is None:
        logger.error("a command failed", exc_info=error)
        return codes.INTERNAL
    return _MEANINGS.get(type(explained), codes.INTERNAL)
