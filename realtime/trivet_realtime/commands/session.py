"""The session of a command: the client that sent it, and the hub that has the client."""

from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from trivet_realtime.client import Client
from trivet_realtime.hub import Hub


@dataclass(frozen=True, slots=True)
class Session:
    """Where a command is handled."""

    hub: Hub
    client: Client


@dataclass(frozen=True, slots=True)
class Answer:
    """A result, and what has to happen once it is on its way: the client's stream of messages has
    an order."""

    result: Struct
    then: Callable[[], None]
