"""Messages as bytes, for a broker that carries them to other processes.

An envelope names the process that sent it, because most carriers (LISTEN/NOTIFY, Redis pub/sub)
return a message to its sender too. A process drops its own messages.

Two versions of the product may be connected while one replaces the other. A field that this
version does not know is ignored. A kind of message that it does not know is an error, which a
broker logs and drops. So a new field needs a default, and no field changes its meaning.
"""

import msgspec

from trivet.broker import Message, MessagesMissed
from trivet.delivery.brokers.peers import Announcement
from trivet.delivery.controls import (
    ChannelPush,
    ClientControl,
    ClientFrame,
    EphemeralPublication,
    Survey,
    SurveyAnswer,
)
from trivet.events.wake_up import WakeUp
from trivet.identity.revocation import Revocation

AnyMessage = (
    WakeUp
    | Revocation
    | MessagesMissed
    | Announcement
    | ClientControl
    | ClientFrame
    | ChannelPush
    | EphemeralPublication
    | Survey
    | SurveyAnswer
)
"""All kinds of messages. A new kind is added here, and to the table of its tests."""


class Envelope(msgspec.Struct, frozen=True):
    """A message with the process that sent it (`sender`)."""

    sender: str
    message: AnyMessage


class UndecodableMessage(ValueError):
    """Bytes that this version cannot read as a message."""


def encode(message: Message, *, sender: str) -> bytes:
    """`message` as bytes (JSON, UTF-8), as sent by the process `sender`.

    Raises TypeError for a kind that is not in `AnyMessage`: the other side could not read it.
    """
    if not isinstance(message, AnyMessage):
        raise TypeError(f"{type(message).__name__} is not listed in trivet.delivery.messages")
    return _ENCODER.encode(Envelope(sender, message))


def decode(encoded: bytes) -> Envelope:
    """The reverse of `encode`. Raises UndecodableMessage for anything else."""
    try:
        return _DECODER.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UndecodableMessage(str(error)) from error


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Envelope)
