"""Another process at a broker, which writes or listens: `python -m tests.platform.neighbour`.

A `Ledger` stands for the database: one number that a commit raises. Who is told to look reads it.
"""

import asyncio
import mmap
import os
import struct
import sys
from pathlib import Path

from trivet.broker import MessagesMissed
from trivet.delivery.brokers.postgresql import carry_by_postgresql
from trivet.delivery.brokers.redis import carry_by_redis
from trivet.delivery.brokers.shared import SharedBroker
from trivet.events.wake_up import WakeUp

CHANNEL = "shelves:north"
HEARTBEAT_SECONDS = 0.2

_NUMBERS = struct.Struct("=qq")


class Ledger:
    """What is committed, and what the neighbour knows of it, in memory that processes share."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_NUMBERS.size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBERS.size)

    @property
    def committed(self) -> int:
        return int(_NUMBERS.unpack(self._memory)[0])

    @property
    def known(self) -> int:
        return int(_NUMBERS.unpack(self._memory)[1])

    def commit(self) -> int:
        number = self.committed + 1
        struct.pack_into("=q", self._memory, 0, number)
        return number

    def note(self, known: int) -> None:
        struct.pack_into("=q", self._memory, 8, known)


class Listener:
    """What a process knows that polls never: what it was told, and what it read when told to."""

    def __init__(self, broker: SharedBroker, ledger: Ledger) -> None:
        self.known = 0
        self._ledger = ledger
        broker.subscribe(WakeUp, self._wake)
        broker.subscribe(MessagesMissed, self._look)

    def _wake(self, message: WakeUp) -> None:
        self.known = max(self.known, message.offsets.get(CHANNEL, 0))
        if not message.offsets:
            self._look()

    def _look(self, _message: MessagesMissed | None = None) -> None:
        self.known = max(self.known, self._ledger.committed)


async def main(role: str, url: str, path: str) -> None:
    node, ledger = f"neighbour-{os.getpid()}", Ledger(Path(path))
    carry = carry_by_postgresql if url.startswith("postgresql") else carry_by_redis
    carrier = carry(url, installation="house", node=node)
    broker = SharedBroker(carrier, node, heartbeat_seconds=HEARTBEAT_SECONDS)
    listener = Listener(broker, ledger)
    await broker.start()
    await broker.watch(CHANNEL)
    while True:
        if role == "writer" and broker.state.is_alone:
            broker.publish(WakeUp({CHANNEL: ledger.commit()}))
        ledger.note(listener.known)
        await asyncio.sleep(0.002)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
