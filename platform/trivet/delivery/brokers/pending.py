"""The messages that wait to be sent: bounded, merged where that loses nothing.

Of a channel only the newest offset matters, so wake-ups are merged. If a service is away for long,
the names of channels are given up and one wake-up for everything takes their place; other messages
are given up from the oldest on, and the others are told that they missed some.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from threading import Lock

import msgspec

from trivet.broker import ChannelMessage, Message, MessagesMissed
from trivet.delivery.brokers.link import Parcel, To
from trivet.delivery.messages import encode
from trivet.events.wake_up import WakeUp

MOST_CHANNELS = 10_000
MOST_MESSAGES = 10_000
MOST_BYTES = 32 * 1024 * 1024
"""The texts of these messages. What a client sends is in some of them, so the number alone would
bound nothing."""
NAMES_BYTES = 5_000
"""The names of the channels of one wake-up, so that it fits into a NOTIFY of 8,000 bytes with its
numbers and quotes."""

Addressed = tuple[Message, str | None]
"""A message, and the one process that it is for; None: all of them."""


class Pending:
    """Used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._offsets: dict[str, int] = {}
        self._is_about_all = False
        self._messages: deque[Addressed] = deque()
        self._bytes = 0
        self._missed = False

    def __bool__(self) -> bool:
        return bool(self._offsets or self._messages or self._is_about_all or self._missed)

    def add(self, message: Message, node: str | None = None) -> None:
        """Add a message; a wake-up is for all processes."""
        with self._lock:
            if isinstance(message, WakeUp):
                self._merge(message.offsets)
                return
            self._messages.append((message, node))
            self._bytes += _size(message)
            while len(self._messages) > MOST_MESSAGES or self._bytes > MOST_BYTES:
                gone, _ = self._messages.popleft()
                self._bytes -= _size(gone)
                self._missed = True

    def _merge(self, offsets: Mapping[str, int]) -> None:
        self._is_about_all |= not offsets
        for channel, offset in offsets.items():
            if offset > self._offsets.get(channel, 0):
                self._offsets[channel] = offset
        if len(self._offsets) > MOST_CHANNELS:
            self._offsets.clear()
            self._is_about_all = True

    def take(self) -> list[Addressed]:
        """Remove and return everything, the messages before the wake-ups."""
        with self._lock:
            taken = list(self._messages)
            if self._missed:
                taken.append((MessagesMissed(), None))
            if self._is_about_all:
                taken.append((WakeUp({}), None))
            elif self._offsets:
                taken.append((WakeUp(self._offsets), None))
            self._messages.clear()
            self._bytes = 0
            self._offsets = {}
            self._is_about_all = self._missed = False
            return taken


def _size(message: Message) -> int:
    """The characters of the texts in `message`."""
    values = (getattr(message, name) for name in message.__struct_fields__)
    return sum(len(value) for value in values if isinstance(value, str))


def parcels_of(
    messages: list[Addressed], *, sender: str, by_channel: bool, most_bytes: int
) -> Iterator[Parcel]:
    """The parcels of `messages`, in their order.

    A message that is too large is replaced by the news that it is missing: the receivers ask the
    database then.
    """
    for message, node in messages:
        for part, to, name in _addressed(message, node, by_channel=by_channel):
            body = encode(part, sender=sender)
            if len(body) > most_bytes:
                body = encode(MessagesMissed(), sender=sender)
            yield Parcel(to, name, body)


def _addressed(
    message: Message, node: str | None, *, by_channel: bool
) -> Iterator[tuple[Message, To, str]]:
    if node is not None:
        yield message, To.NODE, node
    elif isinstance(message, WakeUp) and message.offsets:
        for part in _by_name(message.offsets) if by_channel else _by_size(message.offsets):
            yield part, To.CHANNEL if by_channel else To.ALL, next(iter(part.offsets))
    elif isinstance(message, ChannelMessage) and by_channel:
        yield message, To.CHANNEL, message.channel
    else:
        yield message, To.ALL, ""


def _by_name(offsets: Mapping[str, int]) -> Iterator[WakeUp]:
    for channel, offset in offsets.items():
        yield WakeUp({channel: offset})


def _by_size(offsets: Mapping[str, int]) -> Iterator[WakeUp]:
    part: dict[str, int] = {}
    size = 0
    for channel, offset in offsets.items():
        length = len(msgspec.json.encode(channel)) + len(str(offset)) + 2
        if part and size + length > NAMES_BYTES:
            yield WakeUp(part)
            part, size = {}, 0
        part[channel] = offset
        size += length
    yield WakeUp(part)
