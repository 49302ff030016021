"""The broker of one process: a message reaches its receivers by a call.

A broker for several processes keeps one of these for its own receivers. It sends the messages
that are published here to the other processes, and passes the messages of others to this one.
"""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from trivet.broker import BrokerState, M, Message, Unsubscribe

logger = logging.getLogger(__name__)

NODE_BYTES = 8
_STATE = BrokerState("memory")


@dataclass(frozen=True, slots=True, eq=False)
class _Subscription:
    """Compared by identity: the same receiver may be subscribed twice."""

    receiver: Callable[[Any], None]


class MemoryBroker:
    """See `trivet.broker.Broker`. Safe to use from any thread."""

    def __init__(self, node: str | None = None) -> None:
        self.node = node or secrets.token_hex(NODE_BYTES)
        # Replaced and never changed, so that `publish` iterates without the lock.
        self._subscriptions: dict[type[Message], tuple[_Subscription, ...]] = {}
        self._lock = Lock()

    @property
    def state(self) -> BrokerState:
        return _STATE

    def publish(self, message: Message, *, node: str | None = None) -> None:
        if node not in (None, self.node):
            return
        for subscription in self._subscriptions.get(type(message), ()):
            try:
                subscription.receiver(message)
            except Exception:
                logger.exception("a receiver of %s failed", type(message).__name__)

    def subscribe(self, kind: type[M], receiver: Callable[[M], None]) -> Unsubscribe:
        subscription = _Subscription(receiver)
        with self._lock:
            self._subscriptions[kind] = (*self._subscriptions.get(kind, ()), subscription)

        def unsubscribe() -> None:
            with self._lock:
                kept = self._subscriptions[kind]
                self._subscriptions[kind] = tuple(s for s in kept if s is not subscription)

        return unsubscribe

    async def watch(self, channel: str) -> None:
        """Every message arrives anyway."""

    def unwatch(self, channel: str) -> None:
        """Every message arrives anyway."""

    async def start(self) -> None:
        """There is no other process."""

    async def stop(self) -> None:
        """There is no other process."""

    def close(self) -> None:
        """There is no other process."""
