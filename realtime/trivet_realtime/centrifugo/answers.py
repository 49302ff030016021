"""The answers to Centrifugo's questions, by the functions that serve our own sockets.

| question | answered by |
|---|---|
| connect | the root's identity, and the channels of its own |
| refresh | the identity, again |
| subscribe, sub_refresh | the channel's rule |
| publish | the function that takes publications to the channel |
| rpc | the function of that name |

Connections and subscriptions end after some time unless they are found good again. A revocation
ends them at once (`trivet_realtime.centrifugo.telling`); this is the net for one that got lost.

Whatever a client publishes is published by its function's rows, or as a row, in one transaction.
Centrifugo would publish it a second time, because it has no answer that means "done". So the answer
carries a version that its stream has already, and the stream broker drops what is older. With the
table of its consumer as the source there is no such way: there only ephemeral publications are
accepted, and Centrifugo passes those on itself.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import UNSET
from sqlalchemy.orm import Session as Database

from trivet.data.session import TrivetSession
from trivet.identity import Identity
from trivet.identity.tokens import InvalidToken, decode_base64
from trivet_realtime import codes
from trivet_realtime.centrifugo import streams
from trivet_realtime.centrifugo.messages import (
    ConnectQuestion,
    PublishQuestion,
    Question,
    RefreshQuestion,
    RpcQuestion,
    SubRefreshQuestion,
    SubscribeQuestion,
)
from trivet_realtime.centrifugo.visit import Visit
from trivet_realtime.codes import CommandError, Disconnected
from trivet_realtime.commands import calls
from trivet_realtime.commands.dispatch import meaning_of
from trivet_realtime.credentials import read_json
from trivet_realtime.protocol import Json, RpcRequest
from trivet_realtime.publishing import new_publication
from trivet_realtime.subscribing import ask_rule

logger = logging.getLogger(__name__)

Result = dict[str, Any]
Answer = Callable[[Visit, Any], Awaitable[Result]]

CONNECTION_SECONDS = 120
"""After this Centrifugo asks again whether a connection is good."""
SUBSCRIPTION_SECONDS = 900
"""The same for a subscription: there are many of them, and a change of grants ends connections."""
LATER_SECONDS = 60
"""After this it asks again, if nobody could say now. Any error would end what it asks about."""


async def connect(visit: Visit, _question: ConnectQuestion) -> Result:
    """Accept whom the handshake says; nobody, too, for channels that are open to all."""
    identity, rules = visit.identity, visit.hub.rules
    personal: Result = {channel: {} for channel in rules.personal_channels(identity)}
    return {
        "user": visit.session.client.credential.user,
        "expire_at": _end(identity),
        "meta": {"handshake": True},
        **({"subs": personal} if personal else {}),
    }


async def refresh(visit: Visit, _question: RefreshQuestion) -> Result:
    """Let a connection go on; who is nobody any more was refused before."""
    return {"expire_at": _end(visit.identity)}


async def subscribe(visit: Visit, question: SubscribeQuestion) -> Result:
    """Ask the channel's rule.

    Centrifugo sends a channel to all its subscribers alike, so nobody gets a live channel there who
    does not see all of its rows (108).
    """
    await _require_rule(visit, question.channel)
    if visit.hub.find_judged(question.channel, visit.identity) is not None:
        raise CommandError(codes.NOT_AVAILABLE)
    return {"expire_at": int(time.time()) + SUBSCRIPTION_SECONDS}


async def sub_refresh(visit: Visit, question: SubRefreshQuestion) -> Result:
    """Ask the channel's rule again."""
    return await subscribe(visit, SubscribeQuestion(client="", channel=question.channel))


async def rpc(visit: Visit, question: RpcQuestion) -> Result:
    """Call the function."""
    request = RpcRequest(method=question.method, data=_data_of(question))
    answer = await calls.rpc(visit.session, request)
    return {} if answer.data is UNSET else {"data": answer.data}


async def publish(visit: Visit, question: PublishQuestion) -> Result:
    """Give data to the function that takes it. The rule of the channel is asked too, because
    Centrifugo asks for clients that are not subscribed as well."""
    hub, channel, data = visit.hub, question.channel, _data_of(question)
    found = calls.find_function(hub, channel)
    given = calls.read_publication(visit.session, found, channel, data)
    await _require_rule(visit, channel)
    is_ephemeral = found[0].ephemeral
    if is_ephemeral:
        await calls.require_ephemeral(visit.session, found[0], given)
    if hub.platform.settings.centrifugo_source == "outbox":
        return _pass_on(channel, is_ephemeral=is_ephemeral)

    def note(db: Database, _actor: Identity) -> None:
        streams.acquaint(db, channel)
        if is_ephemeral:
            assert isinstance(db, TrivetSession)
            publisher = visit.session.client.info()
            db.recorder.note(new_publication(channel, data, publisher=publisher))

    async with hub.spreading(), hub.open_unit(visit.session.client) as unit:
        await unit.run(note)
        if not is_ephemeral:
            await found[0].declared.call_in(unit, **given)
    return {"version": streams.VERSION, "version_epoch": streams.VERSION_EPOCH}


def _pass_on(channel: str, *, is_ephemeral: bool) -> Result:
    if not is_ephemeral:
        logger.error(
            "a client published to %s by Centrifugo, whose consumer cannot take what its function "
            "writes: let TRIVET_CENTRIFUGO_SOURCE be stream, or let clients call an rpc function",
            channel,
        )
        raise CommandError(codes.NOT_AVAILABLE)
    return {"skip_history": True}


async def _require_rule(visit: Visit, channel: str) -> None:
    access = visit.hub.rules.find_access(channel)
    if access.needs_unit:
        await ask_rule(visit.hub, visit.session.client, access)
    else:
        access.require(visit.identity)


def _data_of(question: PublishQuestion | RpcQuestion) -> Json:
    """The JSON that the client sent. Raises CommandError (107) for what is no JSON."""
    if not question.b64data:
        return question.data
    try:
        return read_json(decode_base64(question.b64data))
    except InvalidToken as error:
        raise CommandError(codes.BAD_REQUEST) from error


def _end(identity: Identity) -> int:
    """When the connection of `identity` is asked about again (seconds since 1970, UTC)."""
    end = time.time() + CONNECTION_SECONDS
    if identity.expires_at is not None:
        end = min(end, identity.expires_at.timestamp())
    return int(end)


QUESTIONS: Mapping[str, tuple[type[Question], Answer]] = {
    "connect": (ConnectQuestion, connect),
    "refresh": (RefreshQuestion, refresh),
    "subscribe": (SubscribeQuestion, subscribe),
    "sub_refresh": (SubRefreshQuestion, sub_refresh),
    "publish": (PublishQuestion, publish),
    "rpc": (RpcQuestion, rpc),
}


def refuse(method: str, error: Exception) -> dict[str, Any]:
    """The answer to a question that raised `error`. What cannot go on has expired; an error would
    end it too, but only after Centrifugo has logged a fault of ours."""
    is_refresh = method in ("refresh", "sub_refresh")
    if isinstance(error, Disconnected):
        if is_refresh:
            return {"result": {"expired": True}}
        return {"disconnect": {"code": error.code.code, "reason": error.code.reason}}
    code = error.code if isinstance(error, CommandError) else meaning_of(error)
    if not is_refresh or code is codes.BAD_REQUEST:
        return {"error": {"code": code.code, "message": code.message, "temporary": code.temporary}}
    if code.temporary:
        return {"result": {"expire_at": int(time.time()) + LATER_SECONDS}}
    return {"result": {"expired": True}}
