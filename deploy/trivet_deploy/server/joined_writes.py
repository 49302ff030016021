"""A transport that writes an answer's head and body in one system call.

uvicorn writes the head of an answer by itself, and then each part of the body. uvloop passes a
write on at once, so that a short answer costs two system calls, and often wakes the client twice.
Here a write waits for a second one until the event loop goes on, and the two leave together.
"""

import asyncio

JOIN_BYTES = 64 * 1024
"""Above this size a copy costs more than a system call."""


class JoinedWrites:
    """The part of a transport that an HTTP answer is written with."""

    __slots__ = ("_held", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Write `data`, together with what comes before the event loop goes on."""
        held = self._held
        if not held:
            self._held = data
            self._loop.call_soon(self.flush)
        elif len(data) <= JOIN_BYTES:
            self._held = b""
            self._transport.write(held + data)
        else:
            self.flush()
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is held."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def is_closing(self) -> bool:
        """As the transport's own."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what is held, and close."""
        self.flush()
        self._transport.close()
