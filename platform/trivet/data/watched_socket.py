"""A connection of psycopg's whose socket stays with the event loop from one answer to the next.

psycopg registers the socket for each answer, and takes it out again, which costs more than the
answer itself. `readable` leaves it there, until psycopg waits by itself, the connection ends, or
something comes that nobody has asked for.
"""

import asyncio
from typing import Any


class WatchedSocket:
    """A base of an async connection, in front of psycopg's own."""

    _watching: asyncio.AbstractEventLoop | None = None
    _socket = -1
    _awaited: asyncio.Future[None] | None = None
    _unasked = 0

    async def readable(self) -> None:
        """Wait until something has come from the server."""
        loop = asyncio.get_running_loop()
        if self._watching is None:
            wire: Any = self.pgconn  # type: ignore[attr-defined]  # psycopg's
            loop.add_reader(wire.socket, self._note_readable)
            self._watching, self._socket = loop, wire.socket
        self._awaited, self._unasked = loop.create_future(), 0
        try:
            await self._awaited
        finally:
            self._awaited = None

    def _note_readable(self) -> None:
        if self._awaited is None:
            # asyncio's own loop tells of an answer once more after it was read.
            self._unasked += 1
            if self._unasked > 1:
                self.forget_socket()
        elif not self._awaited.done():
            self._awaited.set_result(None)

    def forget_socket(self) -> None:
        """Take the socket out of the loop. libpq closes it by itself when it finds it broken."""
        if self._watching is not None:
            self._watching.remove_reader(self._socket)
            self._watching = None

    def wait(self, *args: Any, **options: Any) -> Any:
        """As psycopg's, which registers the socket itself."""
        self.forget_socket()
        return super().wait(*args, **options)  # type: ignore[misc]  # psycopg's, beside us

    async def close(self) -> None:
        """As psycopg's."""
        self.forget_socket()
        await super().close()  # type: ignore[misc]  # as above
