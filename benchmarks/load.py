"""The load: a few connections that ask again as soon as they are answered (a closed loop).

Our own, because what is measured shares the machine with it: a client library for people
costs more than the servers do. It writes ready-made bytes and reads answers with httptools,
in about a tenth of the time that the fastest of the servers needs.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import cast

import httptools

CONNECTIONS = 16
"""Enough to keep one worker busy while others wait for the database; every peer gets the same."""


class WrongAnswer(RuntimeError):
    """A server answered with something else than was asked for: its figures are worth nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server, request after request, and the one status that counts."""

    requests: Sequence[bytes]
    status: int


@dataclass(slots=True)
class Outcome:
    """What one measurement gave: answers, in seconds, and how busy this generator was (0 to 1)."""

    answers: int = 0
    seconds: float = 0.0
    busy: float = 0.0
    fault: Exception | None = field(default=None, repr=False)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def request(method: str, path: str, *, key: str | None = None, body: bytes | None = None) -> bytes:
    """An HTTP/1.1 request as bytes, kept alive, with `key` as its bearer."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost:8000", "accept: application/json"]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class _Connection(asyncio.Protocol):
    """One connection: writes a request, waits for its answer, writes the next."""

    def __init__(self, load: Load, first: int, outcome: Outcome, over: asyncio.Event) -> None:
        # Each begins elsewhere, so that the connections do not ask for the same in step.
        self._requests = islice(cycle(load.requests), first, None)
        self._status = load.status
        self._outcome = outcome
        self._over = over
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is one in all but its ancestry.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        assert self._transport is not None
        if self._parser.get_status_code() != self._status:
            self._fail(WrongAnswer(f"{self._parser.get_status_code()} for {self._status}"))
        if self._over.is_set():
            self._transport.close()
            return
        self._outcome.answers += 1
        if self._parser.should_keep_alive():
            self._transport.write(next(self._requests))
        else:
            self._fail(WrongAnswer("the server closes every connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._over.is_set():
            self._fail(exc or WrongAnswer("the server closed a connection"))

    def _fail(self, error: Exception) -> None:
        self._outcome.fault = self._outcome.fault or error
        self._over.set()


async def run_load(port: int, load: Load, seconds: float) -> Outcome:
    """Put `load` on a server for `seconds`. Raises WrongAnswer, or what the network raised."""
    outcome, over = Outcome(), asyncio.Event()
    loop = asyncio.get_running_loop()
    started, busy = time.perf_counter(), time.process_time()
    connections = [
        await loop.create_connection(
            partial(_Connection, load, number, outcome, over), "127.0.0.1", port
        )
        for number in range(CONNECTIONS)
    ]
    try:
        async with asyncio.timeout(seconds):
            await over.wait()
    except TimeoutError:
        over.set()
    outcome.seconds = time.perf_counter() - started
    outcome.busy = (time.process_time() - busy) / outcome.seconds
    for transport, _ in connections:
        transport.close()
    # Whoever is measured next starts on an idle machine: the last answers are waited for.
    await asyncio.sleep(0.05)
    if outcome.fault is not None:
        raise WrongAnswer(f"port {port}: {outcome.fault}") from outcome.fault
    if not outcome.answers:
        raise WrongAnswer(f"port {port} did not answer within {seconds} s")
    return outcome
