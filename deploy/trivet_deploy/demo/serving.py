"""Serving the demonstration in this very process, and replaying the week while it is served."""

import asyncio
import errno
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import uvicorn

from trivet.errors import Conflict
from trivet_deploy.asgi import create_app
from trivet_deploy.server import server_options
from trivet_settings import Settings


def claim_port(host: str, port: int) -> socket.socket:
    """Take the port before any work is done for it. Raises Conflict if somebody else has it."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise Conflict(
            "port-taken",
            f"Port {port} is taken by another program. Choose another one, for example "
            f"`PORT={port + 1} make demo` or `trivet demo --port {port + 1}`.",
        ) from error
    return listener


class _Server(uvicorn.Server):
    """A server that says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.has_started = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.has_started.set()


def serve(
    settings: Settings,
    listener: socket.socket,
    *,
    ready: Callable[[], None],
    beside: Callable[[], Awaitable[None]],
) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything has stopped.

    `ready` is called once requests are answered, then `beside` runs until it ends or the server
    does, whichever is first.
    """
    # uvicorn stops gracefully, then raises the signal again: both ways to stop shall end alike.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = _Server(uvicorn.Config(create_app(settings), **server_options(settings)))
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, listener, ready, beside))
    if not server.started:
        raise SystemExit(1)  # uvicorn has said why


async def _serve(
    server: _Server,
    listener: socket.socket,
    ready: Callable[[], None],
    beside: Callable[[], Awaitable[None]],
) -> None:
    async def accompany() -> None:
        await server.has_started.wait()
        ready()
        await beside()

    accompanying = asyncio.create_task(accompany())
    try:
        await server.serve(sockets=[listener])
    finally:
        accompanying.cancel()
        await asyncio.gather(accompanying, return_exceptions=True)
