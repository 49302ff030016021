"""The commands about clients: each process carries them out for its own.

The process that is asked tells all processes, itself included, and does not wait for them.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import delete
from sqlalchemy.orm import Session as Database

from trivet.audit.entry import Entry, encode_changes
from trivet.data.errors import explain
from trivet.data.session import TrivetSession
from trivet.delivery.controls import ClientControl
from trivet.delivery.recorded_controls import record_control
from trivet.events.outbox import PublicationRow
from trivet.events.pruning import keep
from trivet.identity import Identity
from trivet.identity.tokens import InvalidToken, Override
from trivet_realtime import codes
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, DisconnectCode, Disconnected
from trivet_realtime.commands.session import Session
from trivet_realtime.credentials import Grant, either
from trivet_realtime.frames import Frame
from trivet_realtime.hub import Hub
from trivet_realtime.protocol import Beginning, SubscribeRequest, encode_subscribe
from trivet_realtime.publishing import CARRIED_BYTES
from trivet_realtime.server_api.call import Call
from trivet_realtime.server_api.messages import (
    ChannelCommand,
    DisconnectCommand,
    Nothing,
    RefreshCommand,
    SubscribeCommand,
    UnsubscribeCommand,
)
from trivet_realtime.subscribing import begin_subscription

logger = logging.getLogger(__name__)

LEAST_CODE, MOST_CODE = 3000, 4999
LONGEST_REASON = 123
"""Bytes of a reason in a close frame (RFC 6455, 5.5)."""

Command = SubscribeCommand | UnsubscribeCommand | DisconnectCommand | RefreshCommand


async def subscribe(call: Call, command: SubscribeCommand) -> Nothing:
    """Subscribe connections of a user to a channel."""
    _require_user(command)
    call.hub.rules.find_namespace(command.channel)
    _grant_of(call.hub, command)
    await _tell(call, "subscribe", command)
    return Nothing()


async def unsubscribe(call: Call, command: UnsubscribeCommand) -> Nothing:
    """End subscriptions of a user."""
    _require_user(command)
    if command.channel:
        call.hub.rules.find_namespace(command.channel)
    await _tell(call, "unsubscribe", command)
    return Nothing()


async def disconnect(call: Call, command: DisconnectCommand) -> Nothing:
    """End connections of a user."""
    _require_user(command)
    _code_of(command)
    await _tell(call, "disconnect", command)
    return Nothing()


async def refresh(call: Call, command: RefreshCommand) -> Nothing:
    """Change when connections of a user expire."""
    _require_user(command)
    await _tell(call, "refresh", command)
    return Nothing()


async def history_remove(call: Call, command: ChannelCommand) -> Nothing:
    """Remove a channel's publications. Its position stays, so nobody takes new ones for old."""
    call.hub.rules.find_namespace(command.channel)

    def remove(db: Database, _actor: Identity) -> None:
        assert isinstance(db, TrivetSession)
        row = PublicationRow
        gone = db.connection().execute(delete(row).where(row.channel == command.channel)).rowcount
        if gone and db.capture.audit is not None:
            changes = encode_changes({"publications": {"from": gone}})
            db.recorder.note(Entry(row.__tablename__, command.channel, "delete", changes))

    # In a unit before: a channel is forgotten when its publications would be past their time, and
    # its row is locked late in a transaction or alone in one.
    async with call.open_unit() as unit:
        await unit.run(lambda db, _actor: keep(db, [command.channel], waits=True))
    async with call.open_unit() as unit:
        await unit.run(remove)
    request = msgspec.json.encode(command).decode()
    call.hub.platform.broker.publish(ClientControl("history_remove", request))
    return Nothing()


def _require_user(command: Command) -> None:
    """Nobody has no connections that one could mean."""
    if not command.user:
        raise CommandError(codes.BAD_REQUEST)


async def _tell(call: Call, method: str, command: Command) -> None:
    """Note the command in the trail, and tell it to every process. Raises CommandError (106) for
    one that only this process would hear of."""
    request = msgspec.json.encode(command)
    if len(request) > CARRIED_BYTES:
        raise CommandError(codes.LIMIT_EXCEEDED)
    control = ClientControl(method, request.decode())
    async with call.open_unit() as unit:
        await unit.run(lambda db, _actor: record_control(db, command.user, control))
    call.hub.platform.broker.publish(control)


def carry_out(hub: Hub, control: ClientControl) -> None:
    """Carry out a command for the clients of this process."""
    if control.method == "history_remove":
        hub.forget_recent(msgspec.json.decode(control.request, type=ChannelCommand).channel)
        return
    if control.method not in _CONTROLS:
        logger.warning("a newer process tells what this version does not know: %s", control.method)
        return
    kind, apply = _CONTROLS[control.method]
    command = msgspec.json.decode(control.request, type=kind)
    for client in list(_clients_of(hub, command)):
        apply(hub, client, command)


def _clients_of(hub: Hub, command: Command) -> Iterator[Client]:
    for client in hub.clients:
        if (
            client.is_connected
            and client.credential.user == command.user
            and command.client in ("", client.id)
            and command.session in ("", client.session)
        ):
            yield client


def _disconnect(_hub: Hub, client: Client, command: DisconnectCommand) -> None:
    if client.id not in command.whitelist:
        client.disconnect(_code_of(command))


def _code_of(command: DisconnectCommand) -> DisconnectCode:
    asked = command.disconnect
    if asked is None or not asked.code:
        return codes.FORCED
    reason = asked.reason
    is_plain = len(reason.encode()) <= LONGEST_REASON and not _is_json(reason)
    if not LEAST_CODE <= asked.code <= MOST_CODE or not is_plain:
        raise CommandError(codes.BAD_REQUEST)
    return DisconnectCode(asked.code, reason)


def _is_json(reason: str) -> bool:
    """Whether an SDK would read a reason as an older protocol's advice. Even a number is one, and
    advises not to come back."""
    try:
        json.loads(reason)
    except ValueError:
        return False
    return True


def _unsubscribe(hub: Hub, client: Client, command: UnsubscribeCommand) -> None:
    for channel, subscription in tuple(client.subscriptions.items()):
        if command.channel in ("", channel):
            hub.end(subscription, codes.SERVER_UNSUBSCRIBED)


def _refresh(hub: Hub, client: Client, command: RefreshCommand) -> None:
    if command.expired:
        client.disconnect(codes.CONNECTION_EXPIRED)
    else:
        expires_at = command.expire_at or None
        client.accept(replace(client.credential, expires_at=expires_at), hub.timers)


def _subscribe(hub: Hub, client: Client, command: SubscribeCommand) -> None:
    hub.spawn(_begin(hub, client, command))


async def _begin(hub: Hub, client: Client, command: SubscribeCommand) -> None:
    # Here and not before the task began: the client itself may have subscribed meanwhile. What
    # follows awaits nothing before the subscription has its place.
    if command.channel in client.subscriptions:
        return
    if not client.has_room():
        client.disconnect(codes.CHANNEL_LIMIT)
        return
    request = SubscribeRequest(channel=command.channel)
    if command.recover_since is not None:
        request.recover = True
        request.epoch = command.recover_since.epoch
        request.offset = command.recover_since.offset
    try:
        begun = await begin_subscription(Session(hub, client), request, _grant_of(hub, command))
    except (CommandError, Disconnected):
        return
    except Exception as error:  # noqa: BLE001  # nobody waits for the task: it is logged
        _log_failure(client, command, error)
        return
    result = begun.result
    beginning = Beginning(
        recoverable=result.recoverable,
        epoch=result.epoch,
        offset=result.offset,
        positioned=result.positioned,
        data=result.data,
    )
    client.send(Frame(encode_subscribe(command.channel, beginning)))
    begun.start()


def _log_failure(client: Client, command: SubscribeCommand, error: Exception) -> None:
    """Nobody waits for the subscription, and the command was answered: only the log can tell."""
    is_fault = explain(error) is None
    logger.log(
        logging.ERROR if is_fault else logging.WARNING,
        "client %s of user %s could not be subscribed to %s by the server API: %s",
        client.id,
        command.user,
        command.channel,
        error,
        exc_info=error if is_fault else None,
    )


def _grant_of(hub: Hub, command: SubscribeCommand) -> Grant:
    access = hub.rules.find_access(command.channel, by_token=True)
    try:
        return Grant(
            access,
            asks_rule=False,
            info=either(command.info, command.b64info),
            data=either(command.data, command.b64data),
            override=command.override or Override(),
        )
    except InvalidToken as error:
        raise CommandError(codes.BAD_REQUEST) from error


_CONTROLS: Mapping[str, tuple[type[Command], Callable[[Hub, Client, Any], None]]] = {
    "disconnect": (DisconnectCommand, _disconnect),
    "unsubscribe": (UnsubscribeCommand, _unsubscribe),
    "refresh": (RefreshCommand, _refresh),
    "subscribe": (SubscribeCommand, _subscribe),
}
