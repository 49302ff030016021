"""The messages between processes: typed, and carried by a broker.

A message reports something that has already happened. The database remains the truth: a lost
message costs time (a poll, the seconds of the identity cache) and never data. So a broker may be
as simple as a loop over callables.

The rules of every broker:

* `publish` may be called from any thread, does not block and does not raise: the commit is done,
  and cannot be undone;
* receivers in the same process have run when `publish` returns;
* a receiver that fails is logged, and harms neither the publisher nor other receivers;
* a message that arrives from another process reaches the receivers here and goes no further.

The module lies below all code that publishes or receives. Each message is defined in the package
of its subject (`trivet.events.wake_up`, `trivet.identity.revocation`); `trivet.delivery.messages`
lists all of them.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True):
    """The base of all messages: frozen, encodable, and without secrets."""


M = TypeVar("M", bound=Message)

Unsubscribe = Callable[[], None]
"""Ends one subscription. A second call does nothing."""


class Publisher(Protocol):
    """The part of a broker that publishes."""

    def publish(self, message: Message) -> None:
        """Send `message` to every receiver of its kind; see the rules of this module."""
        ...


class Broker(Publisher, Protocol):
    """Carries messages from publishers to subscribers."""

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

    async def start(self) -> None:
        """Begin to exchange messages with other processes.

        A broker that cannot connect starts too, and tries again: until then messages of other
        processes are late, and nothing else is wrong.
        """
        ...

    async def stop(self) -> None:
        """Stop to exchange messages. Does nothing if it was not started."""
        ...
