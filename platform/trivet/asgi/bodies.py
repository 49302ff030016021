"""The bounds of bodies that arrive: the size of one, its time, and the size of all together.

A request's body stays in memory until the request has ended. Clients that send most of a body and
then nothing could fill the memory of a process with a few hundred connections. So the time for
which a request waits for its client is counted, and so are the bytes of all requests together. If
these become too many, the body that has been arriving for the longest time is refused: slow clients
do not hold up quick ones.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from types import MappingProxyType, coroutine
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from trivet.asgi.problem import error_response
from trivet.errors import RequestTimeout, TooLarge, TrivetError, Unavailable

LINGER_SECONDS = 2.0
"""The time for which a refused body is still read and dropped before the connection is closed. If
it were closed at once, the client's system would drop our answer with the undelivered bytes
(RFC 9112, 9.6)."""


class Bodies:
    """The bodies of all requests of a process.

    `body_bytes` is the bound of each body, and `held_bytes` of all bodies together (at least one
    body). `seconds` is the bound of the time for which a request waits for its body in all.
    `limits` are other bounds of one body, by the prefixes of the mounts that have them.
    """

    def __init__(
        self,
        *,
        body_bytes: int,
        seconds: float,
        held_bytes: int,
        limits: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        if body_bytes <= 0 or seconds <= 0 or held_bytes <= 0:
            raise ValueError("the bounds of bodies are positive")
        self.body_bytes = body_bytes
        self.seconds = seconds
        self.held_bytes = max(held_bytes, body_bytes)
        # The longest first, so that the closer one counts, as it does for the mounts themselves.
        self._limits = sorted(limits.items(), key=lambda pair: -len(pair[0]))
        self.held = 0
        self.open: dict[Body, None] = {}  # a set that keeps its order: the oldest first

    def limit_of(self, path: str) -> int:
        """The bound, in bytes, of a body that is sent to `path`, which is below the root."""
        for prefix, limit in self._limits:
            if path.startswith(f"{prefix}/"):
                return limit
        return self.body_bytes

    def make_room(self, wanted: int, by: "Body") -> bool:
        """Whether `by` may hold `wanted` more bytes. Slower bodies may be refused for it."""
        for other in list(self.open):
            if self.held + wanted <= self.held_bytes:
                break
            if other is not by:
                other.give_way()
        return self.held + wanted <= self.held_bytes


class Body:
    """One request's body of at most `limit` bytes. `fault` is the reason of its refusal, if it was
    refused."""

    def __init__(self, bodies: Bodies, receive: Receive, limit: int) -> None:
        self.fault: TrivetError | None = None
        self._limit = limit
        self._received = 0
        self._is_streamed = False
        self._bodies = bodies
        self._receive = receive
        self._held = 0
        self._seconds_left = bodies.seconds
        self._is_complete = False
        self._waiting: asyncio.Timeout | None = None

    async def receive(self) -> Message:
        """The next message. Raises `fault` if the body is refused."""
        if self._is_complete:  # the next message says that the client left
            return await self._receive()
        if self.fault is not None:
            raise self.fault
        message = await self._wait()
        self._hold(len(message.get("body", b"")))
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._is_complete = True
            self._bodies.open.pop(self, None)
        return message

    async def _wait(self) -> Message:
        receiving: Any = self._receive().__await__()
        try:
            wanted = next(receiving)
        except StopIteration as received:  # it was here already, as most bodies are
            here: Message = received.value
            return here
        clock = asyncio.get_running_loop().time
        since = clock()
        self._bodies.open[self] = None
        try:
            async with asyncio.timeout(self._seconds_left) as self._waiting:
                found: Message = await _resumed(receiving, wanted)
                return found
        except TimeoutError:
            self.fault = self.fault or _too_slow()
            raise self.fault from None
        finally:
            self._waiting = None
            self._seconds_left -= clock() - since

    def stream(self) -> None:
        """Count from now on only the piece that was received last: its reader keeps none."""
        self._is_streamed = True

    def _hold(self, size: int) -> None:
        self._received += size
        if self._received > self._limit:
            self.fault = too_large(self._limit)
            raise self.fault
        if self._is_streamed:
            self._let_go()
        if not self._bodies.make_room(size, by=self):
            self.fault = _full()
            raise self.fault
        self._held += size
        self._bodies.held += size

    def give_way(self) -> None:
        """End the wait for the client, if there is one, and release the bytes."""
        if self._waiting is not None and self.fault is None:
            self.fault = _full()
            self._waiting.reschedule(asyncio.get_running_loop().time())
            self.release()

    def release(self) -> None:
        """Stop counting the body."""
        self._bodies.open.pop(self, None)
        self._let_go()

    def _let_go(self) -> None:
        self._bodies.held -= self._held
        self._held = 0

    def end(self) -> None:
        """End the request. The error that refused its body keeps frames that hold the bytes, and
        they keep the error: without this, the memory would wait for the garbage collector."""
        self.release()
        if self.fault is not None:
            self.fault.__traceback__ = self.fault.__context__ = None

    async def refuse(self, scope: Scope, send: Send, error: TrivetError) -> None:
        """Answer with `error`, announce the end of the connection, and read on for a moment."""
        self.release()
        response = error_response(scope, error)
        response.headers["connection"] = "close"
        start = {"type": "http.response.start", "status": response.status_code}
        await send({**start, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        if not self._is_complete:
            await self._linger()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while (await self._receive()).get("more_body", False):
                    pass


@coroutine
def _resumed(begun: Any, wanted: Any) -> Any:
    """Go on with what has begun to wait, for what it `wanted`."""
    while True:
        try:
            yield wanted
        except BaseException as error:
            if not hasattr(begun, "throw"):
                raise
            try:
                wanted = begun.throw(error)
            except StopIteration as end:
                return end.value
        else:
            return (yield from begun)


def too_large(limit: int) -> TooLarge:
    """The refusal of a body of more than `limit` bytes."""
    return TooLarge(
        "body-too-large",
        f"The body is larger than {limit} bytes. Send it in smaller parts.",
        limit_bytes=limit,
    )


def _too_slow() -> RequestTimeout:
    # A new one each time: an exception keeps the frames that it passed, and these hold
    # the body.
    return RequestTimeout("body-too-slow", "The body did not arrive in time.")


def _full() -> Unavailable:
    return Unavailable("too-many-bodies", "Too many bodies arrive at this moment.", retry_after=1)
