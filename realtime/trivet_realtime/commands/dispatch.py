"""A frame's commands, each brought to its handler and answered.

The commands of a connection are handled in their order: an SDK sends connect and all its subscribes
in one frame and relies on it. Only subscribes that follow one another may overtake each other: they
are about different channels, and a rule that asks the database should not hold up the rest.

A mistake of one command is answered with an error. The connection ends only if nobody can tell the
commands apart, or where the protocol has no answer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from msgspec import Struct

from trivet.data.errors import explain
from trivet.errors import Conflict
from trivet_realtime import codes
from trivet_realtime.client import Client
from trivet_realtime.codes import CommandError, Disconnected, ErrorCode
from trivet_realtime.commands.calls import publish, rpc, send
from trivet_realtime.commands.connect import connect
from trivet_realtime.commands.history import history
from trivet_realtime.commands.presence import presence, presence_stats
from trivet_realtime.commands.refresh import refresh, sub_refresh
from trivet_realtime.commands.session import Answer, Session
from trivet_realtime.protocol import (
    Command,
    Empty,
    MalformedRequest,
    PingRequest,
    Received,
    UnsubscribeRequest,
    decode_request,
)
from trivet_realtime.subscribing import SUBSCRIBES_AT_ONCE, subscribe

logger = logging.getLogger(__name__)

Handler = Callable[[Session, Any], Awaitable[Struct | Answer | None]]


async def unsubscribe(session: Session, request: UnsubscribeRequest) -> Empty:
    """End a subscription. Not to have it is what was asked for, and no error."""
    subscription = session.client.subscriptions.get(request.channel)
    if subscription is not None:
        session.hub.leave(subscription)
    return Empty()


async def ping(_session: Session, _request: PingRequest) -> Empty:
    """Answer; the frames `{}` are what keeps a connection alive, this is for the curious."""
    return Empty()


HANDLERS: Mapping[str, Handler] = {
    "connect": connect,
    "subscribe": subscribe,
    "unsubscribe": unsubscribe,
    "history": history,
    "ping": ping,
    "send": send,
    "publish": publish,
    "presence": presence,
    "presence_stats": presence_stats,
    "rpc": rpc,
    "refresh": refresh,
    "sub_refresh": sub_refresh,
}


async def handle_next(session: Session, inbox: deque[Received]) -> None:
    """Take the next command from `inbox`, or all subscribes that come next, and handle them."""
    received = inbox.popleft()
    method = _method_of(session, received)
    if method is None:
        return
    if method != "subscribe":
        await _handle(session, received.command, method)
        return
    subscribes = [received.command]
    while inbox and inbox[0].methods == ["subscribe"] and session.client.ending is None:
        received = inbox.popleft()
        if _method_of(session, received) is not None:
            subscribes.append(received.command)
    await _handle_together(session, subscribes)


def _method_of(session: Session, received: Received) -> str | None:
    """The method of a command that can be handled. Others are answered here."""
    try:
        return _find_method(session.client, received)
    except CommandError as error:
        session.client.refuse(received.command.id, error.code)
    except Disconnected as end:
        session.client.disconnect(end.code)
    return None


def _find_method(client: Client, received: Received) -> str:
    command, methods, has_unknown_method = received
    if not client.is_connected and methods != ["connect"]:
        raise Disconnected(codes.MALFORMED)
    if not command.id and methods != ["send"]:
        raise Disconnected(codes.MALFORMED)
    if not methods:
        if not has_unknown_method:
            raise Disconnected(codes.MALFORMED)
        raise CommandError(codes.METHOD_NOT_FOUND)
    if len(methods) > 1:
        raise CommandError(codes.BAD_REQUEST)
    return methods[0]


async def _handle_together(session: Session, subscribes: list[Command]) -> None:
    """Handle subscribes, of which each may overtake another."""
    waiting = deque(subscribes)

    async def work() -> None:
        while waiting and session.client.ending is None:
            await _handle(session, waiting.popleft(), "subscribe")

    # Most are answered without waiting for anything: then the first task answers them all.
    await asyncio.gather(*(work() for _ in range(min(len(subscribes), SUBSCRIBES_AT_ONCE))))


async def _handle(session: Session, command: Command, method: str) -> None:
    client = session.client
    try:
        answer = await HANDLERS[method](session, decode_request(method, getattr(command, method)))
    except MalformedRequest:
        if command.id:
            client.refuse(command.id, codes.BAD_REQUEST)
        else:
            client.disconnect(codes.MALFORMED)
    except CommandError as error:
        _refuse(client, command, error.code)
    except Disconnected as end:
        client.disconnect(end.code)
    except Exception as error:  # noqa: BLE001  # one failing command is no reason to cut off the client
        _refuse(client, command, meaning_of(error))
    else:
        _reply(client, command, method, answer)


def _refuse(client: Client, command: Command, error: ErrorCode) -> None:
    """Answer with `error`; a message without an id is one that nobody waits for."""
    if command.id:
        client.refuse(command.id, error)


def _reply(client: Client, command: Command, method: str, answer: Struct | Answer | None) -> None:
    if isinstance(answer, Answer):
        client.reply(command.id, method, answer.result)
        answer.then()
    elif answer is not None:
        client.reply(command.id, method, answer)


_MEANINGS: Mapping[int, ErrorCode] = {
    HTTPStatus.UNAUTHORIZED: codes.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: codes.PERMISSION_DENIED,
    HTTPStatus.NOT_FOUND: codes.UNKNOWN_CHANNEL,
    HTTPStatus.TOO_MANY_REQUESTS: codes.TOO_MANY_REQUESTS,
}
"""By the status that an error has at the other doors, so that an error of somebody's own has its
code too."""


def meaning_of(error: Exception) -> ErrorCode:
    """The error code of what a rule or the database raised; 100 for a fault.

    What may succeed later is temporary (100 or 111), and the SDK tries again. What the caller did,
    or what the present data refuse, is not: the same would be refused again.
    """
    explained = explain(error)
    if explained is None:
        logger.error("a command failed", exc_info=error)
        return codes.INTERNAL
    if explained.status in _MEANINGS:
        return _MEANINGS[explained.status]
    may_succeed = isinstance(explained, Conflict) and explained.retry_after is not None
    is_refused = explained.status < HTTPStatus.INTERNAL_SERVER_ERROR and not may_succeed
    return codes.BAD_REQUEST if is_refused else codes.INTERNAL
