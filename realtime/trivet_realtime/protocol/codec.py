"""Frames as text: what is read, what is written.

A frame holds one or more JSON objects, one a line, in both directions. `{}` is a ping from
the server and the pong of the client.

A frame is read in two steps. First every line is read as a command with its id. Then the request of
each command is read as its method says. So a request with a mistake has an answer of its own, and
only a frame of which nobody can tell the commands ends the connection.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct

from trivet_realtime.codes import DisconnectCode, ErrorCode, UnsubscribeCode
from trivet_realtime.protocol.messages import (
    Beginning,
    ClientInfo,
    Coming,
    Command,
    ConnectRequest,
    Ending,
    ErrorReply,
    Failure,
    HistoryRequest,
    Json,
    PingRequest,
    PresenceRequest,
    Publication,
    PublishRequest,
    Push,
    Pushed,
    RefreshRequest,
    RpcRequest,
    SendRequest,
    SubRefreshRequest,
    SubscribeRequest,
    UnsubscribeRequest,
)

R = TypeVar("R", bound=Struct)

PING = b"{}"
DEEPEST = 100
"""Levels of arrays and objects in what clients send, the same as in a body of the API."""

REQUESTS: Mapping[str, type[Struct]] = {
    "connect": ConnectRequest,
    "subscribe": SubscribeRequest,
    "unsubscribe": UnsubscribeRequest,
    "publish": PublishRequest,
    "presence": PresenceRequest,
    "presence_stats": PresenceRequest,
    "history": HistoryRequest,
    "ping": PingRequest,
    "send": SendRequest,
    "rpc": RpcRequest,
    "refresh": RefreshRequest,
    "sub_refresh": SubRefreshRequest,
}
"""The request of each method."""


class MalformedFrame(ValueError):
    """A frame that is not what the protocol says."""


class MalformedRequest(ValueError):
    """A request that is not what its method says."""


_commands = msgspec.json.Decoder(Command)
_lines = msgspec.json.Decoder(dict[str, Raw])
_readers = {method: msgspec.json.Decoder(request) for method, request in REQUESTS.items()}
_encoder = msgspec.json.Encoder()
_decode_any = msgspec.json.Decoder()


class Received(NamedTuple):
    """One command as it was received, with the methods that it names.

    `has_unknown_method` is only found out where there is no known one.
    """

    command: Command
    methods: Sequence[str]
    has_unknown_method: bool = False

    @property
    def is_pong(self) -> bool:
        """Whether it is the client's answer to a ping, and no command."""
        return not (self.command.id or self.methods or self.has_unknown_method)


_PONG = Received(Command(), ())


def decode_frame(text: str) -> list[Received]:
    """What a frame holds, in order; raises MalformedFrame."""
    if text == "{}":
        return [_PONG]
    if is_too_deep(text):
        raise MalformedFrame("nested too deeply")
    try:
        commands = _commands.decode_lines(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedFrame(str(error)) from error
    if not commands:
        raise MalformedFrame("an empty frame")
    methods = [command.methods() for command in commands]
    if all(methods):
        return [Received(*each) for each in zip(commands, methods, strict=True)]
    # Read a second time once for the whole frame: it may hold thousands of lines.
    unknown = [not line.keys() <= _KNOWN for line in _lines.decode_lines(text)]
    return [
        Received(command, named, not named and is_unknown)
        for command, named, is_unknown in zip(commands, methods, unknown, strict=True)
    ]


_KNOWN = frozenset(Command.__struct_fields__)


def decode_request(method: str, request: Json) -> Struct:
    """The request of a command; raises MalformedRequest."""
    assert not isinstance(request, msgspec.UnsetType)
    try:
        return _readers[method].decode(request)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise MalformedRequest(str(error)) from error


_STRINGS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
"""A string that does not end goes to the end of the text. A pattern that does not match there would
be tried again from each later quote, which takes minutes for a frame of quotes."""
_BRACKETS = re.compile(r"[\[\]{}]")


def is_too_deep(text: str) -> bool:
    """Whether arrays and objects stand in one another more than `DEEPEST` levels deep."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return False
    depth = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > DEEPEST:
            return True
    return False


def encode_reply(command_id: int, method: str, result: Struct) -> bytes:
    return _encoder.encode({"id": command_id, method: result})


def encode_error(command_id: int, error: ErrorCode) -> bytes:
    body = ErrorReply(error.code, error.message, error.temporary)
    return _encoder.encode(Failure(command_id, body))


def encode_publication(channel: str, publication: Publication) -> bytes:
    return _push(Push(channel, pub=publication))


def encode_unsubscribe(channel: str, why: UnsubscribeCode) -> bytes:
    return _push(Push(channel, unsubscribe=Ending(why.code, why.reason)))


def encode_subscribe(channel: str, beginning: Beginning) -> bytes:
    return _push(Push(channel, subscribe=beginning))


def encode_join(channel: str, info: ClientInfo) -> bytes:
    return _push(Push(channel, join=Coming(info)))


def encode_leave(channel: str, info: ClientInfo) -> bytes:
    return _push(Push(channel, leave=Coming(info)))


def encode_disconnect(why: DisconnectCode) -> bytes:
    """The end of a connection, for a transport that has no close frame."""
    return _push(Push(disconnect=Ending(why.code, why.reason)))


def _push(push: Push) -> bytes:
    return _encoder.encode(Pushed(push))


def encode_json(value: object) -> Raw:
    """Any value of msgspec's as JSON, on one line."""
    return Raw(one_line(_encoder.encode(value)))


def raw_json(text: bytes | str | None) -> Json:
    """JSON that is text already, on one line; nothing for None."""
    if text is None:
        return UNSET
    return Raw(one_line(text.encode() if isinstance(text, str) else text))


def one_line(text: bytes) -> bytes:
    """JSON without line breaks between its parts: clients split a frame at them.

    Raises msgspec.DecodeError for what has some and is no JSON.
    """
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text


def decode_json(raw: Json) -> object:
    """The value of JSON that was kept as it came; None for nothing."""
    return None if isinstance(raw, msgspec.UnsetType) else _decode_any.decode(raw)
