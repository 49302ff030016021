"""The server API by HTTP: ``POST …/publish`` and the others, with a key.

Every command is answered with 200 and a result or an error of the protocol; a bad key with 401.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from trivet.asgi.middleware.last_resort import log_server_error
from trivet.asgi.problem import error_response, no_such_page
from trivet.context import context_of
from trivet.data.errors import explain
from trivet.errors import Unauthenticated
from trivet.identity import system
from trivet.origin import Origin
from trivet_realtime import codes
from trivet_realtime.codes import CommandError, Disconnected, ErrorCode
from trivet_realtime.commands.dispatch import meaning_of
from trivet_realtime.hub import Hub
from trivet_realtime.protocol.codec import is_too_deep
from trivet_realtime.server_api import controlling, publishing, reading
from trivet_realtime.server_api.call import Call
from trivet_realtime.server_api.messages import (
    BatchCommand,
    BroadcastCommand,
    ChannelCommand,
    ChannelsCommand,
    DisconnectCommand,
    HistoryCommand,
    InfoCommand,
    PublishCommand,
    RefreshCommand,
    SubscribeCommand,
    UnsubscribeCommand,
)

Handler = Callable[[Call, Any], Awaitable[Struct]]

METHODS: Mapping[str, tuple[type[Struct], Handler]] = {
    "publish": (PublishCommand, publishing.publish),
    "broadcast": (BroadcastCommand, publishing.broadcast),
    "subscribe": (SubscribeCommand, controlling.subscribe),
    "unsubscribe": (UnsubscribeCommand, controlling.unsubscribe),
    "disconnect": (DisconnectCommand, controlling.disconnect),
    "refresh": (RefreshCommand, controlling.refresh),
    "presence": (ChannelCommand, reading.presence),
    "presence_stats": (ChannelCommand, reading.presence_stats),
    "history": (HistoryCommand, reading.history),
    "history_remove": (ChannelCommand, controlling.history_remove),
    "channels": (ChannelsCommand, reading.channels),
    "info": (InfoCommand, reading.info),
}

MOST_COMMANDS = 100
"""Commands of one batch."""

_REFUSAL = Unauthenticated(
    "bad-server-api-key",
    "The server API needs one of TRIVET_SERVER_API_KEYS, in the header X-API-Key.",
)


class ServerApi:
    """The endpoint. Without a key in the settings there is none, and nothing is found here."""

    def __init__(self, hub: Hub, keys: tuple[str, ...]) -> None:
        self._hub = hub
        self._keys = tuple(key.encode() for key in keys)

    async def answer(self, request: Request) -> Response:
        """Answer one command, or a batch of them."""
        method = request.path_params["method"]
        if not self._keys or (method not in METHODS and method != "batch"):
            return error_response(request.scope, no_such_page(request.scope))
        if not self._is_known(request):
            return error_response(request.scope, _REFUSAL)
        context = context_of(request.scope)
        origin = Origin(system("server api"), context.mount, context.request_id)
        call = Call(self._hub, origin)
        body = await request.body()
        if is_too_deep(body.decode("utf-8", "replace")):
            return _answer({"error": _error(codes.BAD_REQUEST)})
        if method == "batch":
            return _answer(await self._batch(call, body))
        return _answer(await _run(call, method, body))

    def _is_known(self, request: Request) -> bool:
        given = request.headers.get("x-api-key", "")
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if not given and scheme.lower() == "apikey":
            given = key.strip()
        tried = given.encode("utf-8", "surrogateescape")
        # Every key is compared, so that the time tells nothing.
        return bool([known for known in self._keys if hmac.compare_digest(known, tried)])

    async def _batch(self, call: Call, body: bytes) -> Any:
        try:
            batch = msgspec.json.decode(body, type=BatchCommand)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return {"error": _error(codes.BAD_REQUEST)}
        if len(batch.commands) > MOST_COMMANDS:
            return {"error": _error(codes.LIMIT_EXCEEDED)}
        return {"replies": [await _run_named(call, command) for command in batch.commands]}


async def _run_named(call: Call, command: Mapping[str, Any]) -> Any:
    """One command of a batch: its result stands under the method's name, as in the protocol."""
    if len(command) != 1:
        return {"error": _error(codes.BAD_REQUEST)}
    ((method, request),) = command.items()
    if method not in METHODS:
        return {"error": _error(codes.METHOD_NOT_FOUND)}
    answer = await _run(call, method, bytes(request))
    return {method: answer["result"]} if "result" in answer else answer


async def _run(call: Call, method: str, body: bytes) -> dict[str, Any]:
    kind, handler = METHODS[method]
    try:
        command = msgspec.json.decode(body or b"{}", type=kind)
        return {"result": await handler(call, command)}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {"error": _error(codes.BAD_REQUEST)}
    except CommandError as error:
        return {"error": _error(error.code)}
    except Disconnected:
        return {"error": _error(codes.NOT_AVAILABLE)}
    except Exception as error:  # noqa: BLE001  # answered in the form of this API, and logged
        if explain(error) is not None:  # what the database refuses, as for every other request
            log_server_error(error)
        return {"error": _error(meaning_of(error))}


def _error(code: ErrorCode) -> dict[str, Any]:
    return {"code": code.code, "message": code.message}


def _answer(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")
