"""The frames of the Centrifuge protocol, version 2, JSON: what is read, what is written.

A frame holds one or more JSON objects, one a line, in both directions. `{}` is a ping from
the server and the pong of the client. Fields at their zero value are left out.
https://github.com/centrifugal/protocol (client.proto) names the fields.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from trivet_realtime.codes import ErrorCode, UnsubscribeCode

CommandId = Annotated[int, Meta(ge=0, lt=2**32)]
Offset = Annotated[int, Meta(ge=0, lt=2**53)]
"""Above 2^53 a browser's numbers are not exact."""

PING = b"{}"


class ConnectRequest(Struct):
    """`token` is for clients without a cookie; name and version tell who wrote the client."""

    token: str = ""
    name: str = ""
    version: str = ""


class SubscribeRequest(Struct):
    """`recover` asks for what came after `offset` of `epoch`. `flag` is a set of bits, `type`
    the kind of subscription (0: a stream), `tf` a filter by tags."""

    channel: str
    token: str = ""
    recover: bool = False
    epoch: str = ""
    offset: Offset = 0
    flag: int = 0
    type: int = 0
    tf: Raw | UnsetType = UNSET


REJECT_UNRECOVERED = 2
"""The bit of `SubscribeRequest.flag`: rather an error than a subscription with a hole."""


class UnsubscribeRequest(Struct):
    """Ends a subscription; to end one that there is not is no error."""

    channel: str


class Since(Struct):
    """A position in a stream."""

    offset: Offset = 0
    epoch: str = ""


class HistoryRequest(Struct):
    """`limit` 0 asks for the position alone, below 0 for as much as the server gives."""

    channel: str
    limit: int = 0
    since: Since | None = None
    reverse: bool = False


class Command(Struct):
    """One command: exactly one of the methods is set. Without an id it is a pong or a send."""

    id: CommandId = 0
    connect: ConnectRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    history: HistoryRequest | None = None
    ping: Raw | UnsetType = UNSET
    send: Raw | UnsetType = UNSET
    publish: Raw | UnsetType = UNSET
    presence: Raw | UnsetType = UNSET
    presence_stats: Raw | UnsetType = UNSET
    rpc: Raw | UnsetType = UNSET
    refresh: Raw | UnsetType = UNSET
    sub_refresh: Raw | UnsetType = UNSET

    def methods(self) -> list[str]:
        """The methods that the command names, in the protocol's order."""
        return [name for name in METHODS if getattr(self, name) not in (None, UNSET)]


METHODS = tuple(name for name in Command.__struct_fields__ if name != "id")


class Publication(Struct, omit_defaults=True):
    """`data` is JSON as it was stored; `time` is in milliseconds since 1970, UTC."""

    data: Raw
    offset: int
    time: int = 0


class ConnectResult(Struct, omit_defaults=True):
    """`ping` is in seconds; `node` is this process, `session` this connection in it."""

    client: str
    version: str
    ping: int
    pong: bool
    session: str
    node: str


class SubscribeResult(Struct, omit_defaults=True):
    """Where the subscription starts; `publications` go on from there."""

    epoch: str = ""
    offset: int = 0
    recoverable: bool = False
    positioned: bool = False
    was_recovering: bool = False
    recovered: bool = False
    publications: Sequence[Publication] = ()


class HistoryResult(Struct, omit_defaults=True):
    """Publications, and the position of the channel when they were read."""

    publications: Sequence[Publication] = ()
    epoch: str = ""
    offset: int = 0


class Empty(Struct):
    """The result of a command that has nothing to tell."""


class ErrorReply(Struct, omit_defaults=True):
    code: int
    message: str
    temporary: bool = False


class Failure(Struct):
    """The answer to a command that failed. A success has its result under the method's name."""

    id: int
    error: ErrorReply


class Ending(Struct, omit_defaults=True):
    """The end of a subscription, told by a push."""

    code: int
    reason: str


class Push(Struct, omit_defaults=True):
    """A message that the server sends unasked; one of the kinds is set."""

    channel: str = ""
    pub: Publication | None = None
    unsubscribe: Ending | None = None


class _Pushed(Struct):
    push: Push


class MalformedFrame(ValueError):
    """A frame that is not what the protocol says."""


_commands = msgspec.json.Decoder(Command)
_lines = msgspec.json.Decoder(dict[str, Raw])
_encoder = msgspec.json.Encoder()


def decode_frame(text: str) -> list[Command]:
    """The commands of a frame, in order; raises MalformedFrame."""
    try:
        commands = _commands.decode_lines(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedFrame(str(error)) from error
    if not commands:
        raise MalformedFrame("an empty frame")
    return commands


def has_unknown_method(text: str, index: int) -> bool:
    """Whether the command at `index` of a valid frame names a method that there is not.

    Only asked about a command without any known one, so it may decode the frame again.
    """
    return not _lines.decode_lines(text)[index].keys() <= set(Command.__struct_fields__)


def encode_reply(command_id: int, method: str, result: Struct) -> bytes:
    return _encoder.encode({"id": command_id, method: result})


def encode_error(command_id: int, error: ErrorCode) -> bytes:
    body = ErrorReply(error.code, error.message, error.temporary)
    return _encoder.encode(Failure(command_id, body))


def encode_publication(channel: str, publication: Publication) -> bytes:
    return _encoder.encode(_Pushed(Push(channel, pub=publication)))


def encode_unsubscribe(channel: str, why: UnsubscribeCode) -> bytes:
    return _encoder.encode(_Pushed(Push(channel, unsubscribe=Ending(why.code, why.reason))))
