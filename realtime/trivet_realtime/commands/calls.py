"""The commands that reach a function of a feature: publish, rpc and send."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from trivet_realtime import codes
from trivet_realtime.channels import PRIVATE
from trivet_realtime.client_calls import ClientCall, encode_answer
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands.access import find_subscribed
from trivet_realtime.commands.session import Session
from trivet_realtime.hub import Hub
from trivet_realtime.protocol import (
    Empty,
    Json,
    PublishRequest,
    RpcRequest,
    RpcResult,
    SendRequest,
)
from trivet_realtime.publishing import ephemeral_publication


async def publish(session: Session, request: PublishRequest) -> Empty:
    """Give data to the function that takes publications to the channel, if one does."""
    hub, channel = session.hub, request.channel
    found = find_function(hub, channel)
    if find_subscribed(session, channel) is None:
        raise CommandError(codes.PERMISSION_DENIED)
    given = read_publication(session, found, channel, request.data)
    if not found[0].ephemeral:
        await _call(session, found[0], given)
        return Empty()
    await require_ephemeral(session, found[0], given)
    publisher = session.client.info()
    hub.publish_ephemeral(ephemeral_publication(channel, request.data, publisher=publisher))
    return Empty()


Found = tuple[ClientCall, dict[str, str]]
"""A function for publications, with the values of its placeholders."""


def find_function(hub: Hub, channel: str) -> Found:
    """The function that takes publications to `channel`. Raises CommandError (108) if none does."""
    namespace, _ = hub.rules.find_namespace(channel)
    found = hub.calls.find_publication(namespace, channel.removeprefix(PRIVATE))
    if found is None:
        raise CommandError(codes.NOT_AVAILABLE)
    return found


def read_publication(session: Session, found: Found, channel: str, data: Json) -> dict[str, Any]:
    """What the function is called with. Raises CommandError (107) for data that its model refuses,
    or none."""
    if data is UNSET:
        raise CommandError(codes.BAD_REQUEST)
    call, values = found
    return {
        **values,
        **call.arguments(data),
        "channel": channel,
        "client": session.client.info(),
    }


async def require_ephemeral(session: Session, call: ClientCall, given: dict[str, Any]) -> None:
    """Ask the function of an ephemeral publication. Raises CommandError unless it says True."""
    if await _call(session, call, given, read_only=True) is not True:
        raise CommandError(codes.PERMISSION_DENIED)


async def rpc(session: Session, request: RpcRequest) -> RpcResult:
    """Call a function by its name, and return what it returns."""
    call = session.hub.calls.methods.get(request.method)
    if call is None:
        raise CommandError(codes.NOT_AVAILABLE)
    given = {**call.arguments(request.data), "client": session.client.info()}
    return RpcResult(await _call(session, call, given, finish=encode_answer))


async def send(session: Session, request: SendRequest) -> None:
    """Give a message to the function that takes them.

    There is no reply to refuse by: where nobody takes messages, or this one cannot be read, the
    connection ends.
    """
    call = session.hub.calls.message
    if call is None:
        raise Disconnected(codes.SEND_NOT_AVAILABLE)
    try:
        given = {**call.arguments(request.data), "client": session.client.info()}
    except CommandError as error:
        raise Disconnected(codes.MALFORMED) from error
    await _call(session, call, given)


def _as_it_is(value: Any) -> Any:
    return value


async def _call(
    session: Session,
    call: ClientCall,
    given: dict[str, Any],
    *,
    read_only: bool = False,
    finish: Callable[[Any], Any] = _as_it_is,
) -> Any:
    """What `finish` makes of what the function returns, in a unit of its own, or in none if it only
    looks at what it is given. Where `finish` fails, nothing was done: the client is told so."""
    declared = call.declared
    if read_only and not declared.needs_unit:
        return finish(declared.call(session.client.identity, **given))
    hub = session.hub
    async with hub.spreading(), hub.open_unit(session.client, read_only=read_only) as unit:
        return finish(await declared.call_in(unit, **given))
