"""A broker of the tests that spans processes, as simple as one can be: a list of wires.

What a carrier between real processes does, it does too: it hands every message, as bytes, to
everybody on the line, its sender included.
"""

import secrets
from collections.abc import Callable

from trivet.broker import BrokerState, M, Message, Unsubscribe
from trivet.delivery.brokers.memory import MemoryBroker
from trivet.delivery.messages import decode, encode


class Line:
    """Carries bytes to every process that is connected, and counts them."""

    def __init__(self) -> None:
        self.connected: list[Callable[[bytes], None]] = []
        self.carried: list[bytes] = []

    def send(self, encoded: bytes) -> None:
        self.carried.append(encoded)
        assert len(self.carried) < 1000, "what one process sent, others send again"
        for receive in self.connected:
            receive(encoded)


class CarriedBroker:
    """See `trivet.broker.Broker`."""

    def __init__(self, line: Line) -> None:
        self.node = secrets.token_hex(4)
        self.local = MemoryBroker()
        self._line = line

    @property
    def state(self) -> BrokerState:
        return BrokerState("carried", is_shared=True)

    def publish(self, message: Message, *, node: str | None = None) -> None:
        # One for a single process goes to all here: who it is not for finds that out.
        if node in (None, self.node):
            self.local.publish(message)
        self._line.send(encode(message, sender=self.node))

    async def watch(self, channel: str) -> None:
        pass

    def unwatch(self, channel: str) -> None:
        pass

    def subscribe(self, kind: type[M], receiver: Callable[[M], None]) -> Unsubscribe:
        return self.local.subscribe(kind, receiver)

    async def start(self) -> None:
        self._line.connected.append(self._receive)

    async def stop(self) -> None:
        self._line.connected.remove(self._receive)

    def close(self) -> None:
        pass

    def _receive(self, encoded: bytes) -> None:
        envelope = decode(encoded)
        if envelope.sender != self.node:
            self.local.publish(envelope.message)
