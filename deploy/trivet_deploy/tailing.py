"""Channels that are followed on a terminal or into a pipe: one line a publication.

The relay of the command delivers them, as it does to the sockets of a server: woken by the broker,
and by polls while that is away. It starts where the channel stands. What was published before that,
and is asked for, is read first; what comes meanwhile waits.
"""

import asyncio
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Sequence

import msgspec

from trivet import Platform
from trivet.errors import Conflict, NotFound
from trivet.events import outbox
from trivet.events.outbox import Position, StoredPublication
from trivet_deploy.channel_names import require_channel, rules_of
from trivet_deploy.cli.console import warn

AT_ONCE = 500
"""Publications that are read by one statement."""
LOOK_SECONDS = 0.5
"""The time between two looks at whether stdout is still read."""


async def follow(
    platform: Platform, channels: Sequence[str], start: Position | None, last: int
) -> None:
    """Print the publications of `channels` until SIGINT, SIGTERM or the end of the reader.

    `start` is where to begin in the one channel; else with the `last` that are there.
    Raises Invalid for what is no channel, and NotFound or Conflict if nothing leads on from
    `start`.
    """
    rules = rules_of(platform.features)
    for channel in channels:
        require_channel(rules, channel)
    tail = Tail(platform, Lines())
    ends = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ends.set)
    platform.relay.receiver = tail
    await platform.relay.start()
    working = [
        asyncio.create_task(tail.run(channels, start, last)),
        asyncio.create_task(tail.lines.run()),
        asyncio.create_task(ends.wait()),
    ]
    try:
        done, _ = await asyncio.wait(working, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in working:
            each.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await platform.relay.stop()


class Tail:
    """Receives what the relay delivers; see `trivet.delivery.relay.Receiver`."""

    def __init__(self, platform: Platform, lines: "Lines") -> None:
        self.lines = lines
        self._platform = platform
        self._has_caught_up: dict[str, asyncio.Event] = {}

    async def run(self, channels: Sequence[str], start: Position | None, last: int) -> None:
        """Follow `channels`, and never return."""
        for channel in channels:
            self._has_caught_up[channel] = asyncio.Event()
        for channel in channels:
            position = await self._platform.relay.watch(channel)
            await self._catch_up(channel, _first(channel, position, start, last), position)
            self._has_caught_up[channel].set()
        await asyncio.Event().wait()

    async def deliver(
        self, channel: str, epoch: str, publications: Sequence[StoredPublication]
    ) -> None:
        await self._has_caught_up[channel].wait()
        await self._print(epoch, publications)

    async def invalidate(self, channel: str, position: Position) -> None:
        warn(
            f"{channel}: publications are missing here, because they were removed, or the channel "
            f"began anew. It goes on behind {position.epoch}:{position.offset}."
        )

    async def _catch_up(self, channel: str, reached: int, position: Position) -> None:
        """Print what lies between `reached` and `position`."""
        while reached < position.offset:
            limit = min(AT_ONCE, position.offset - reached)
            async with self._platform.open_unit(read_only=True) as unit:
                rows = await unit.session.run_sync(outbox.list_after, channel, reached, limit=limit)
            rows = [row for row in rows if row.offset <= position.offset]
            next_one = rows[0].offset if rows else position.offset + 1
            if next_one > reached + 1:
                warn(
                    f"{channel}: the publications {reached + 1} to {next_one - 1} are not kept any "
                    "more. TRIVET_HISTORY_HOURS says how long they are."
                )
            await self._print(position.epoch, rows)
            reached = rows[-1].offset if rows else position.offset

    async def _print(self, epoch: str, publications: Sequence[StoredPublication]) -> None:
        await self.lines.write(b"".join(_line(epoch, each) for each in publications))


def _first(channel: str, position: Position, start: Position | None, last: int) -> int:
    """The offset behind which to begin in `channel`, which stands at `position`."""
    if start is None:
        return max(0, position.offset - last)
    if start.epoch != position.epoch:
        raise Conflict(
            "epoch",
            f"{channel} is in its life {position.epoch or 'before the first publication'}, and "
            f"nothing leads there from {start.epoch}:{start.offset}. --last N shows what there is.",
        )
    if start.offset > position.offset:
        raise NotFound(
            "offset", f"{channel} has no {start.offset} yet: it is at {position.offset}."
        )
    return start.offset


def _line(epoch: str, publication: StoredPublication) -> bytes:
    line = {
        "channel": publication.channel,
        "epoch": epoch,
        "offset": publication.offset,
        "time": publication.created_at,
        "data": _raw(publication.data),
    }
    for name in ("tags", "publisher"):
        value = getattr(publication, name)
        if value is not None:
            line[name] = _raw(value)
    return msgspec.json.encode(line) + b"\n"


def _raw(text: bytes) -> msgspec.Raw:
    """JSON as it is, on one line."""
    return msgspec.Raw(msgspec.json.format(text, indent=-1) if b"\n" in text else text)


class Lines:
    """Writes to stdout on a thread of its own: a reader that does not read holds up neither the
    broker's messages nor the end."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._is_read = self._loop.create_future()
        # Past Python's buffer, which has a lock that such a thread would take to its grave.
        self._file = sys.stdout.fileno()
        threading.Thread(target=self._run, name="stdout", daemon=True).start()

    async def run(self) -> None:
        """Return when nobody reads any more, as after the end of `head` in a pipe. Raises OSError
        if stdout fails otherwise."""
        poll = select.poll()
        poll.register(self._file, 0)  # nothing but errors and the end, which are always told
        while not self._is_read.done() and not poll.poll(0):
            # Also while nothing is published, and so nothing fails to be written.
            await asyncio.wait([self._is_read], timeout=LOOK_SECONDS)
        if self._is_read.done():
            self._is_read.result()

    async def write(self, lines: bytes) -> None:
        """Write `lines`, and return when that is done."""
        written: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((lines, written))
        await written

    def _run(self) -> None:
        while True:
            lines, written = self._waiting.get()
            try:
                _write_all(self._file, lines)
            except OSError as error:
                self._loop.call_soon_threadsafe(self._end, error)
                return
            self._loop.call_soon_threadsafe(_settle, written)

    def _end(self, error: OSError) -> None:
        if isinstance(error, BrokenPipeError):
            self._is_read.set_result(None)
        else:
            self._is_read.set_exception(error)


def _write_all(file: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def _settle(written: "asyncio.Future[None]") -> None:
    if not written.done():
        written.set_result(None)
