"""One connection, whatever carries it: who reads, who writes, who watches the clock.

Four tasks share a client. The reader handles commands in order, the writer drains the
queue into frames, the heart beats, the credential's time runs out. Any of them may end the
connection, and so may the hub; then all stop, what is still queued is written, and the
client is told why.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol

import anyio

from trivet_realtime.client import Client
from trivet_realtime.codes import (
    CONNECTION_CLOSED,
    CREDENTIAL_EXPIRED,
    NO_PONG,
    SERVER_ERROR,
    SLOW,
    STALE,
    DisconnectCode,
    Disconnected,
)
from trivet_realtime.commands.dispatch import handle_frame
from trivet_realtime.hub import Hub

logger = logging.getLogger(__name__)

CLOCK_SECONDS = 3600.0
"""How often a credential's end is compared with the clock again."""


class Transport(Protocol):
    """The carrier of frames to and from one client."""

    async def receive(self) -> str:
        """The next frame of the client. Raises Disconnected when there is none to be had:
        the client left, or it sent what cannot be one."""
        ...

    async def send(self, frame: bytes) -> None:
        """Hand over one frame (UTF-8); returns when there is room for the next. Raises
        Disconnected if the client left. If it is cancelled, nothing was sent."""
        ...

    async def close(self, code: DisconnectCode) -> None:
        """End the connection and tell the client why."""
        ...


async def serve(hub: Hub, client: Client, transport: Transport) -> DisconnectCode:
    """Serve `client` until its connection is over, and return why it is."""
    jobs = (_read, _write, _beat, _expire)
    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(_guard, job, hub, client, transport)
        code = await client.wait_for_end()
        tasks.cancel_scope.cancel()
    if code is not CONNECTION_CLOSED:
        await _say_goodbye(client, transport, code)
    return code


Job = Callable[[Hub, Client, Transport], Awaitable[None]]


async def _guard(job: Job, hub: Hub, client: Client, transport: Transport) -> None:
    try:
        await job(hub, client, transport)
    except Disconnected as end:
        client.disconnect(end.code)
    except Exception:
        logger.exception("a connection failed")
        client.disconnect(SERVER_ERROR)


async def _read(hub: Hub, client: Client, transport: Transport) -> None:
    while True:
        await handle_frame(hub, client, await transport.receive())


async def _write(_hub: Hub, client: Client, transport: Transport) -> None:
    while True:
        await client.outgoing.wait()
        await _flush(client, transport)


async def _flush(client: Client, transport: Transport) -> None:
    count, frame = client.outgoing.peek()
    if count:
        await transport.send(frame)
        client.outgoing.discard(count)


async def _beat(hub: Hub, client: Client, _transport: Transport) -> None:
    """Wait for the connect command, then ping for as long as pongs come back."""
    bounds = hub.bounds
    with anyio.move_on_after(bounds.connect_seconds):
        await client.connected.wait()
    if not client.connected.is_set():
        raise Disconnected(STALE)
    # Spread, so that the clients that came back together after an outage do not ping together.
    await anyio.sleep(bounds.ping_seconds * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
    while True:
        client.ping()
        with anyio.move_on_after(bounds.pong_seconds):
            await client.ponged.wait()
        if not client.ponged.is_set():
            raise Disconnected(NO_PONG)
        await anyio.sleep(bounds.ping_seconds)


async def _expire(_hub: Hub, client: Client, _transport: Transport) -> None:
    """Wait for the end of the credential that opened the connection, if it has one."""
    ends = client.identity.expires_at
    if ends is None:
        return
    # In parts, because the clock that sleeps do not follow may be set meanwhile.
    while (left := (ends - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110  # a clock has no event
        await anyio.sleep(min(left, CLOCK_SECONDS))
    raise Disconnected(CREDENTIAL_EXPIRED)


async def _say_goodbye(client: Client, transport: Transport, code: DisconnectCode) -> None:
    """Write what is queued, unless the client would not read it, and close. A client that
    does not take it in time is left to the server, which ends the connection without."""
    with anyio.move_on_after(client.bounds.close_seconds):
        try:
            if code is not SLOW:
                await _flush(client, transport)
            await transport.close(code)
        except Disconnected:
            pass
