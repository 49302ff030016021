"""What a process sends that serves nothing: a command, `trivet django`, a script.

Such a process has no event loop of ours, and does not listen. Its messages are sent by a thread
that begins with the first of them, connects, and ends when there was nothing to send for a moment.
The end of the interpreter waits for it for a short time. What is not sent by then, others find by
their polls.
"""

import asyncio
import atexit
import logging
import time
from threading import Lock, Thread
from typing import Any

from trivet.delivery.brokers.link import Carrier
from trivet.delivery.brokers.pending import Pending, parcels_of

logger = logging.getLogger(__name__)

IDLE_SECONDS = 2.0
"""A connection that has sent nothing for this long is closed."""
CLOSE_SECONDS = 3.0
"""The time for which the end of a command waits for its last message."""
CONNECT_SECONDS = 5.0


class OutsideSender:
    """Sends what is pending from any thread of a process without a running broker."""

    def __init__(self, carrier: Carrier, pending: Pending, node: str) -> None:
        self._carrier = carrier
        self._pending = pending
        self._node = node
        self._lock = Lock()
        self._thread: Thread | None = None
        self._closes = False

    def ring(self) -> None:
        """Note that something is pending."""
        with self._lock:
            if self._thread is None:
                self._thread = Thread(target=self._run, name="trivet broker", daemon=True)
                self._thread.start()
                atexit.register(self.close)

    def close(self) -> None:
        """Wait until everything is sent, for at most `CLOSE_SECONDS`."""
        atexit.unregister(self.close)
        self._closes = True
        thread = self._thread
        if thread is not None:
            thread.join(CLOSE_SECONDS)
        self._closes = False

    def _run(self) -> None:
        while True:
            try:
                asyncio.run(self._send())
            except Exception as error:  # noqa: BLE001  # the changes themselves are committed
                self._pending.take()
                logger.warning(
                    "the broker at %s is away, so servers find what was changed here by their "
                    "polls: %s",
                    self._carrier.address,
                    self._carrier.explain(error),
                )
            with self._lock:
                if not self._pending:
                    self._thread = None
                    return

    async def _send(self) -> None:
        link: Any = self._carrier.open()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await link.open(None)
            idle_since = time.monotonic()
            while time.monotonic() - idle_since < IDLE_SECONDS:
                if self._pending:
                    parcels = parcels_of(
                        self._pending.take(),
                        sender=self._node,
                        by_channel=self._carrier.by_channel,
                        most_bytes=self._carrier.most_bytes,
                    )
                    async with asyncio.timeout(CONNECT_SECONDS):
                        await link.send(list(parcels))
                    idle_since = time.monotonic()
                elif self._closes:
                    return
                await asyncio.sleep(0.005)
        finally:
            await link.close()
