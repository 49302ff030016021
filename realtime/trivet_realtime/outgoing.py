"""The queue to one client: bounded, in order, drained as one frame."""

import asyncio
from collections import deque


class Outgoing:
    """A queue of encoded objects of at most `limit` bytes.

    What is being written counts until it is written: a peer that does not read is slow,
    however little waits behind the frame it is not reading.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._objects: deque[bytes] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def add(self, encoded: bytes) -> bool:
        """Queue one object; False if it does not fit, and then it is not queued.

        An empty queue takes an object of any size. An object larger than the whole bound
        could otherwise never be sent, and the client would reconnect for it again and again.
        """
        if self._objects and self._bytes + len(encoded) > self._limit:
            return False
        self._objects.append(encoded)
        self._bytes += len(encoded)
        self._filled.set()
        return True

    @property
    def size(self) -> tuple[int, int]:
        """How many objects wait, and how many bytes these are."""
        return len(self._objects), self._bytes

    async def wait(self) -> None:
        """Return when there is something to write."""
        await self._filled.wait()

    def peek(self) -> tuple[int, bytes]:
        """Everything that waits, as one frame, and how many objects that is."""
        return len(self._objects), b"\n".join(self._objects)

    def discard(self, count: int) -> None:
        """Forget the `count` oldest objects: they are written."""
        for _ in range(count):
            self._bytes -= len(self._objects.popleft())
        if not self._objects:
            self._filled.clear()
