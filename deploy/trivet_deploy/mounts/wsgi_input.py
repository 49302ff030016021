"""``wsgi.input``: the body of an ASGI request as a file that is read on another thread.

The reading itself (lines, sizes, iteration) is that of `io.BufferedReader`. At most one message of
the server and one buffer are held, whatever the size of the body.
"""

import asyncio
import io
from typing import Any

from starlette.types import Message, Receive

from trivet.errors import TrivetError
from trivet.log import BrokenResponse

BUFFER_BYTES = 64 * 1024


class BrokenExchange(BrokenResponse, OSError):
    """The client left before its request was read or its answer sent, or its body was refused.

    Frameworks log whatever an application did not catch, with a traceback; for a
    `BrokenResponse` the log leaves it out.
    """


class Incoming:
    """What the server receives of one request, on the event loop: body, then "the client left".

    `is_gone` is true once the client is known to have left, which is learned while `listen`
    waits for it.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._pending: asyncio.Task[Message] | None = None
        self._is_complete = False
        self.is_gone = False

    async def read(self) -> bytes:
        """The next piece of the body; empty at its end.

        Raises BrokenExchange where the body breaks off: a part must never look like the whole.
        """
        while not self._is_complete:
            message = await self._next()
            if message["type"] != "http.request":
                self.is_gone = True
                raise BrokenExchange("the client left before the end of its body")
            self._is_complete = not message.get("more_body", False)
            if body := message.get("body", b""):
                return bytes(body)
        return b""

    def listen(self) -> None:
        """Begin to wait for the client to leave. A piece of the body that comes in the meantime
        is kept for `read`."""
        if self._pending is None and not self.is_gone:
            self._pending = asyncio.ensure_future(self._receive())
            self._pending.add_done_callback(self._note)

    def stop(self) -> None:
        """Wait no more."""
        if self._pending is not None:
            self._pending.remove_done_callback(self._note)
            self._pending.cancel()

    async def _next(self) -> Message:
        pending = self._pending
        if pending is None:
            return await self._receive()
        try:
            return await asyncio.shield(pending)
        finally:
            if self._pending is pending:
                self._pending = None

    def _note(self, pending: asyncio.Task[Message]) -> None:
        if pending.cancelled() or pending.exception() is not None:
            return  # whoever reads meets the exception
        message = pending.result()
        if message["type"] != "http.request":
            self.is_gone = True
        elif not message.get("body") and not message.get("more_body", False):
            # The end of a body that nobody has read; from here on only a departure can come.
            self._is_complete = True
            self._pending = None
            self.listen()


class _Body(io.RawIOBase):
    def __init__(self, loop: asyncio.AbstractEventLoop, incoming: Incoming) -> None:
        self._loop = loop
        self._incoming = incoming
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        if not self._rest:
            reading = asyncio.run_coroutine_threadsafe(self._incoming.read(), self._loop)
            try:
                self._rest = memoryview(reading.result())
            except TrivetError as refusal:
                raise BrokenExchange(refusal.detail) from refusal
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def open_input(loop: asyncio.AbstractEventLoop, incoming: Incoming) -> io.BufferedReader:
    """The body as a file, for a thread that is not the one of `loop`."""
    return io.BufferedReader(_Body(loop, incoming), BUFFER_BYTES)
