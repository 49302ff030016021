"""The messages between processes: typed, and carried by a broker.

A message reports something that has already happened. The database remains the truth: a lost
message costs time (a poll, the seconds of the identity cache) and never data. So a broker may be
as simple as a loop over callables.

The rules of every broker:

* `publish` may be called from any thread, does not block and does not raise: the commit is done,
  and cannot be undone;
* receivers in the same process have run when `publish` returns, unless another process is
  addressed;
* a receiver that fails is logged, and harms neither the publisher nor other receivers;
* a message that arrives from another process reaches the receivers here and goes no further;
* messages of one process arrive in the order in which it published them, except that wake-ups
  may be merged;
* news of channels (`WakeUp`, `ChannelMessage`) need not be sent while no other process is known;
* if messages of others may have been missed, receivers get `MessagesMissed`.

The module lies below all code that publishes or receives. Each message is defined in the package
of its subject (`trivet.events.wake_up`, `trivet.identity.revocation`); `trivet.delivery.messages`
lists all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True):
    """The base of all messages: frozen, encodable, and without secrets."""


class ChannelMessage(Message, frozen=True, kw_only=True):
    """A message for the processes that watch one channel. Others may get it too.

    Attributes:
        channel: The channel's name.
    """

    channel: str


class MessagesMissed(Message, frozen=True, tag="messages-missed"):
    """Messages of other processes may be lost: whoever relies on them asks the database now.

    A broker publishes it to its own process after every connection that it made anew, and to the
    others when more had to wait than it keeps.
    """


M = TypeVar("M", bound=Message)

Unsubscribe = Callable[[], None]
"""Ends one subscription. A second call does nothing."""


@dataclass(frozen=True, slots=True)
class BrokerState:
    """The health of a broker at one moment.

    Attributes:
        kind: ``memory``, ``postgresql`` or ``redis``.
        is_shared: Whether the broker is meant to carry messages between processes.
        is_connected: Whether it carries them now. Always true if it is not shared.
        lag_seconds: The time that the last message to itself took; None if there was none yet.
        failures: The number of failed connections in a row; 0 while it is connected.
        last_success: The time at which the last message to itself came back (aware UTC).
        peers: The other processes that it knows of.
        is_alone: Whether it sends no news of channels, because there is nobody to get them.
        sent: The messages that this process has sent since its start.
        received: The messages of other processes that it has received.
    """

    kind: str
    is_shared: bool = False
    is_connected: bool = True
    lag_seconds: float | None = None
    failures: int = 0
    last_success: datetime | None = None
    peers: int = 0
    is_alone: bool = False
    sent: int = 0
    received: int = 0

    @property
    def reaches_others(self) -> bool:
        """Whether other processes can be relied on to tell what they commit and revoke."""
        return self.is_shared and self.is_connected


class Publisher(Protocol):
    """The part of a broker that publishes."""

    def publish(self, message: Message, *, node: str | None = None) -> None:
        """Send `message` to every receiver of its kind; see the rules of this module.

        Args:
            message: The message.
            node: Send it to the receivers of one process only, the broker of which has this
                `Broker.node`. Nobody tells whether that process is there.
        """
        ...


class Broker(Publisher, Protocol):
    """Carries messages from publishers to subscribers."""

    @property
    def node(self) -> str:
        """The name of this process among all that share the broker."""
        ...

    @property
    def state(self) -> BrokerState:
        """The health at this moment."""
        ...

    def subscribe(self, kind: type[M], receiver: Callable[[M], None]) -> Unsubscribe:
        """Call `receiver` for each message of exactly this `kind`.

        Args:
            kind: The class of the messages.
            receiver: The function. It is called in the publishing thread and must not block. A
                receiver on an event loop passes the message on by ``loop.call_soon_threadsafe``.

        Returns:
            The callable that ends this subscription.
        """
        ...

    async def watch(self, channel: str) -> None:
        """Get wake-ups and messages of `channel` from now on.

        When it returns, a message that another process publishes later arrives, unless
        `MessagesMissed` says otherwise. Every call needs its own `unwatch`.
        """
        ...

    def unwatch(self, channel: str) -> None:
        """Undo one `watch`; after the last one messages of `channel` need not arrive."""
        ...

    async def start(self) -> None:
        """Begin to exchange messages with other processes.

        A broker that cannot connect starts too, and tries again: until then messages of other
        processes are late, and nothing else is wrong.
        """
        ...

    async def stop(self) -> None:
        """Stop to exchange messages. Does nothing if it was not started."""
        ...

    def close(self) -> None:
        """Wait until what was published without `start` has left this process, for a short time
        only. A command calls it at its end; a server does not need it."""
        ...
