"""A worker that stops, or makes room for its successor, costs nobody a request.

uvicorn closes every connection on which no answer is under way, at once. A request may lie in such
a connection already: unread in the kernel, half parsed, or on the wire from a client that has just
been answered. The close then resets the connection, and a client cannot know whether the request
was served (RFC 9112, 9.6 describes the same for a full close). Here

* what waits to be accepted is accepted, then the listening sockets are closed;
* a silent connection is kept for a moment, and a request that comes on it is answered;
* that answer says ``Connection: close``, and so does every one that begins from here on. One that
  has begun could not say so any more, so its connection stays open for the same moment.

A worker that is replaced shares its listening sockets with the others, so what comes later waits
for them. Only if all stop at once is it refused.
"""

import asyncio
import contextlib
import logging
import select
import signal
import socket
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any

from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from trivet_deploy.server.bounded_http import BoundedHttpProtocol

logger = logging.getLogger(__name__)

SILENT_SECONDS = 1.0
"""How long a connection without a request is kept in a server that stops. Clients that send more
often are told to go by an answer, and all others see the close before they send the next time."""

_SOON = 0.02
"""Seconds in which the event loop has read what has arrived."""
_STOPPING = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class GracefulHttpProtocol(BoundedHttpProtocol):
    """Ends its connection by an answer where a request comes, and only in silence by itself."""

    silent_seconds = SILENT_SECONDS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_stopping = False

    def shutdown(self) -> None:
        """Called once by the server that stops. The parent closes what is idle."""
        self._is_stopping = True
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn's types leave the None out
        if cycle is not None and not cycle.response_started:
            cycle.keep_alive = False
        else:
            self._await_last_request()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if self._is_stopping:
            # An upgrade has a cycle only if a request came before it, which has ended.
            cycle: RequestResponseCycle | None = self.cycle
            if cycle is not None:
                cycle.keep_alive = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_stopping:
            self._await_last_request()

    def handle_websocket_upgrade(self) -> None:
        """As the parent, except in a server that stops, which would wait for this socket too."""
        if not self._is_stopping:
            super().handle_websocket_upgrade()
        elif not self.transport.is_closing():
            self.transport.write(_STOPPING)
            self.transport.close()

    def _await_last_request(self) -> None:
        # The application is cut off after this time, and what is silent should have gone before.
        bound = self.config.timeout_graceful_shutdown
        seconds = self.silent_seconds if bound is None else min(self.silent_seconds, bound / 2)
        self.loop.call_later(seconds, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.transport.is_closing() or self._is_asked():
            return
        if _has_unread_data(self.transport):
            self.loop.call_later(_SOON, self._close_if_silent)
        else:
            self.transport.close()

    def _is_asked(self) -> bool:
        """Whether a request, or its beginning, has come: its answer will end the connection."""
        cycle: RequestResponseCycle | None = self.cycle
        return self.is_reading_head or (cycle is not None and not cycle.response_complete)


class GracefulServer(Server):
    """Takes what waits to be accepted, closes its listening sockets, and only then tells its
    connections to go."""

    def __init__(
        self,
        config: Config,
        on_stop: Callable[[], None] = lambda: None,
        on_ready: Callable[[], None] = lambda: None,
        must_wait: Callable[[], bool] = lambda: False,
        on_replaced: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_stop` is called when this process was told to stop, and `on_replaced` when it makes
        room for a successor by itself; `on_ready` when it serves. While `must_wait()`, the first
        signal to stop is kept in mind, and the second one is obeyed."""
        super().__init__(config)
        self._on_stop = on_stop
        self._on_ready = on_ready
        self._on_replaced = on_replaced
        self._must_wait = must_wait
        self._is_waiting = False
        self._has_said_so = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if sig == signal.SIGTERM and not self._is_waiting and self._must_wait():
            self._is_waiting = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._is_waiting:
            self._say_so_once()
            self.should_exit |= not self._must_wait()
        return await super().on_tick(counter)

    def _say_so_once(self) -> None:
        """Not in the handler of the signal, which may interrupt the writing of a line."""
        if not self._has_said_so:
            logger.info("this process serves until its successors do")
            self._has_said_so = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.should_exit:
            self._on_stop()
        else:
            self._on_replaced()
        # The loop closes the sockets that it was given, together with its own servers.
        listeners = [each.dup() for each in sockets or ()]
        for server in self.servers:
            server.close()
        for listener in listeners:
            with listener:
                waiting = list(islice(_accepting(listener), self.config.backlog))
            for accepted in waiting:
                await self._connect(accepted)
        # What the loop accepted in this turn becomes a connection in the next ones.
        await asyncio.sleep(_SOON)
        await super().shutdown(sockets)

    async def _connect(self, accepted: socket.socket) -> None:
        config = self.config
        make: Callable[..., asyncio.Protocol] = config.http_protocol_class  # called as uvicorn does
        protocol = partial(
            make,
            config=config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        await asyncio.get_running_loop().connect_accepted_socket(protocol, accepted, ssl=config.ssl)


def _accepting(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that wait at this moment."""
    with contextlib.suppress(BlockingIOError):
        while True:
            accepted, _address = listener.accept()
            accepted.setblocking(False)
            yield accepted


def _has_unread_data(transport: asyncio.BaseTransport) -> bool:
    """Whether something has arrived that the loop has not read, be it the client's own close."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
