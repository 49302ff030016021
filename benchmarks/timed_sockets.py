"""Sockets that know how long a publication took to reach them.

The label of a publication is the moment just before it was posted, by the clock that all processes
of a machine share. So a time contains the request, its transaction, the relay and the way out.
"""

import asyncio
import socket
import time
from collections.abc import Sequence
from urllib.parse import urlencode

import httpx2

from benchmarks.fanout import SUBSCRIBED, Counter, Ear

BEFORE, AFTER = b'"label":"@', b"@"
OPENING_AT_ONCE = 100
OPENING_SECONDS = 120
CONNECT_SECONDS = 30


class TimedEar(Ear):
    """Writes down the milliseconds that each frame with publications took."""

    def __init__(self, port: int, hello: bytes, taken: list[float]) -> None:
        super().__init__(port, Counter(), hello, SUBSCRIBED)
        self._taken = taken

    def data_received(self, data: bytes) -> None:
        if self._awaits:
            self._open(data)
            return
        at = data.rfind(BEFORE)
        if at >= 0:
            began, _, _ = data[at + len(BEFORE) :].partition(AFTER)
            self._taken.append((time.monotonic_ns() - int(began)) / 1e6)


async def open_ears(
    port: int,
    hellos: Sequence[bytes],
    taken: list[float],
    *,
    source: str = "127.0.0.1",
    receive_buffer: int = 0,
) -> list[TimedEar]:
    """Open a socket for each hello, from the address `source`, and wait until all are subscribed.

    One of the loopback's many addresses has some 28,000 ports for one server.
    """
    loop = asyncio.get_running_loop()
    ears: list[TimedEar] = []

    async def open_one(hello: bytes) -> TimedEar:
        plain = socket.socket()
        plain.setblocking(False)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        plain.bind((source, 0))
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.sock_connect(plain, ("127.0.0.1", port))
        _, ear = await loop.create_connection(lambda: TimedEar(port, hello, taken), sock=plain)
        return ear

    for start in range(0, len(hellos), OPENING_AT_ONCE):
        batch = await asyncio.gather(*map(open_one, hellos[start : start + OPENING_AT_ONCE]))
        async with asyncio.timeout(OPENING_SECONDS):
            await asyncio.gather(*(ear.is_ready for ear in batch))
        ears += batch
    return ears


IP_BIND_ADDRESS_NO_PORT = 24
"""Of Linux: the port is chosen at the connect, so that other sources may have the same."""


async def publish(client: httpx2.AsyncClient, depot: str, count: int = 1) -> None:
    """Post `count` publications of this moment to a depot, in one transaction."""
    label = f"@{time.monotonic_ns()}@".ljust(80, "x")
    query = urlencode({"depot": depot, "label": label, "count": count})
    (await client.post(f"/api/parcels/arrivals?{query}")).raise_for_status()
