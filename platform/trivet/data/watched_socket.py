"""A connection of psycopg's whose socket stays with the event loop from one answer to the next.

psycopg registers the socket for each answer, and takes it out again, which costs more than the
answer itself. `readable` leaves it there, until psycopg waits by itself, the connection ends, or
something comes that nobody has asked for.
"""

import asyncio
import select
from collections.abc import Callable, Sequence
from typing import Any

from psycopg.waiting import READY_R, WAIT_R


class WatchedSocket:
    """A base of an async connection, in front of psycopg's own."""

    _watching: asyncio.AbstractEventLoop | None = None
    _socket = -1
    _look: Callable[[int], Sequence[Any]] = staticmethod(lambda _milliseconds: ())
    _awaited: asyncio.Future[None] | None = None
    _is_here = False
    """Whether something is here that is about to be read."""

    async def readable(self) -> None:
        """Wait until something has come from the server, or the connection is broken."""
        loop = self._watching or asyncio.get_running_loop()
        if self._watching is None:
            wire: Any = self.pgconn  # type: ignore[attr-defined]  # psycopg's
            loop.add_reader(wire.socket, self._note_readable)
            poll = select.poll()
            poll.register(wire.socket, select.POLLIN)
            self._watching, self._socket, self._look = loop, wire.socket, poll.poll
        if self._look(0):
            # uvloop tells of a broken socket once, and watches it no more.
            self._is_here = True
            try:
                await asyncio.sleep(0)
            finally:
                self._is_here = False
            return
        self._awaited = loop.create_future()
        try:
            await self._awaited
        finally:
            self._awaited = None

    def _note_readable(self) -> None:
        if self._awaited is None:
            # asyncio's own loop tells of an answer once more after it was read.
            if not self._is_here and self._look(0):
                self.forget_socket()
        elif not self._awaited.done():
            self._awaited.set_result(None)

    def forget_socket(self) -> None:
        """Take the socket out of the loop. libpq closes it by itself when it finds it broken."""
        if self._watching is not None:
            self._watching.remove_reader(self._socket)
            self._watching = None

    async def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        """As psycopg's, which registers the socket for each wait, and sets a timer.

        What it does where a wait has a limit, where a long message has to be sent piece by piece,
        and where nobody waits any more, is left to it.
        """
        rest = steps = gen
        if not args and not options:
            try:
                wanted = next(steps)
                while wanted == WAIT_R:
                    await self.readable()
                    wanted = steps.send(READY_R)
                rest = _Resumed(steps, wanted)
            except StopIteration as end:
                return end.value
            except asyncio.CancelledError as error:
                rest = _Resumed(steps, error)
            except BaseException:
                self.forget_socket()  # libpq may have closed it
                raise
        self.forget_socket()
        return await super().wait(rest, *args, **options)  # type: ignore[misc]  # psycopg's, beside us

    async def close(self) -> None:
        """As psycopg's."""
        self.forget_socket()
        await super().close()  # type: ignore[misc]  # as above


class _Resumed:
    """Steps of psycopg's that have begun: the first `next` brings what was `met` last, a wish to
    wait or an error."""

    def __init__(self, steps: Any, met: Any) -> None:
        self._steps, self._met = steps, met

    def __next__(self) -> Any:
        met, self._met = self._met, None
        if isinstance(met, BaseException):
            raise met
        return next(self._steps) if met is None else met

    def send(self, ready: Any) -> Any:
        return self._steps.send(ready)
