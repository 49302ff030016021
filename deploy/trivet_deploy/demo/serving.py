"""Serving the demonstration in this very process."""

import signal
import socket
from collections.abc import Callable
from contextlib import suppress

import uvicorn

from trivet_deploy.asgi import create_app
from trivet_deploy.collector import collect_for_serving
from trivet_deploy.server.options import server_options
from trivet_settings import Settings


class _Server(uvicorn.Server):
    """A server that says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def serve(settings: Settings, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything has stopped.

    `ready` is called on the event loop once requests are answered. Ends the process with 1 when
    the application does not start; the log has said why.
    """
    # uvicorn stops gracefully, then raises the signal again: both ways to stop shall end alike.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    app = create_app(settings)
    collect_for_serving()
    server = _Server(uvicorn.Config(app, **server_options(settings)), ready)
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if not server.started:
        raise SystemExit(1)
