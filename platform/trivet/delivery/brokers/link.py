"""A link: one connection to a service that carries bytes between processes.

`trivet.delivery.brokers.shared` does what all brokers have in common. A link does what differs:
how bytes travel through PostgreSQL, or through Redis. A link is opened once; any failure is
raised, and the broker then opens another one.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

Receive = Callable[[bytes], None]


class To(Enum):
    """The processes that a parcel is for."""

    ALL = "all"
    NODE = "node"
    CHANNEL = "channel"


@dataclass(frozen=True, slots=True)
class Parcel:
    """Encoded bytes on their way. `name` is that of the node or channel; empty for all."""

    to: To
    name: str
    body: bytes


class Link(Protocol):
    """Used on one event loop. `send`, `watch` and `check` may be called while `run` is waiting."""

    async def open(self, receive: Receive | None, watched: Collection[str] = ()) -> None:
        """Connect, and pass each body for this process to `receive` from now on.

        Without `receive` the link only sends. `watched` are the channels to begin with.
        """
        ...

    async def send(self, parcels: Sequence[Parcel]) -> None:
        """Send `parcels` in their order, in one round trip; each body is at most `most_bytes`."""
        ...

    async def watch(self, channels: Collection[str]) -> None:
        """Get the parcels of `channels` too; returns when they would arrive."""
        ...

    async def unwatch(self, channels: Collection[str]) -> None:
        """Get the parcels of `channels` no more."""
        ...

    async def check(self) -> None:
        """Raise if the service answers, and what is sent through it reaches nobody else."""
        ...

    async def run(self) -> None:
        """Receive until the connection ends. It ends with an error."""
        ...

    async def close(self) -> None:
        """End the connection. Never raises, and may be called at any time."""
        ...


@dataclass(frozen=True, slots=True)
class Carrier:
    """A kind of links, and the way to one more.

    Attributes:
        kind: The name for people: ``postgresql`` or ``redis``.
        address: The address of the service without its secrets, for the log.
        open: Makes a link that is not open yet.
        by_channel: Whether the parcels of a channel reach only the processes that watch it. If
            not, they are sent to all.
        most_bytes: The bound of a body.
        explain: The sentence for people about an error of the service, without secrets.
    """

    kind: str
    address: str
    open: Callable[[], Link]
    by_channel: bool
    most_bytes: int
    explain: Callable[[BaseException], str]
