"""The messages between processes: typed, and carried by a broker.

A message reports something that has already happened. The database stays the truth: a
message that is lost costs a moment (a poll, the seconds of the identity cache) and never
data. So a broker may be as simple as a loop over callables.

The rules of every broker:

* `publish` may be called from any thread, does not block, and does not raise: whoever
  publishes has committed already, and there is no way back;
* receivers in the same process have run when `publish` returns;
* a receiver that fails is logged, and harms neither the publisher nor other receivers;
* a message that arrives from another process reaches the receivers here and goes no further.

The module lies below everything that publishes or receives. The messages themselves stand
where their meaning is: `trivet.events.wake_up`, `trivet.identity.revocation`; all of them
are listed in `trivet.delivery.messages`.
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True):
    """The base of all messages: frozen, encodable, and without anything that is a secret."""


M = TypeVar("M", bound=Message)

Unsubscribe = Callable[[], None]
"""Ends one subscription; to call it again does nothing."""


class Publisher(Protocol):
    """The half of a broker that those who commit need."""

    def publish(self, message: Message) -> None:
        """Send `message` to every receiver of its kind; see the rules of this module."""
        ...


class Broker(Publisher, Protocol):
    """Carries messages from those who publish to those who subscribed."""

    def subscribe(self, kind: type[M], receiver: Callable[[M], None]) -> Unsubscribe:
        """Call `receiver` for each message of exactly this `kind`.

        Args:
            kind: The class of the messages.
            receiver: Called in the publishing thread; must not block. Receivers that live on
                an event loop hand over with ``loop.call_soon_threadsafe``.

        Returns:
            The callable that ends this subscription.
        """
        ...

    async def start(self) -> None:
        """Begin to exchange messages with other processes.

        A broker that cannot connect starts all the same and goes on trying: without it
        messages are late, and nothing is wrong.
        """
        ...

    async def stop(self) -> None:
        """Stop that. Does nothing where it was not started."""
        ...
