"""A WSGI application as an ASGI one, on a bounded pool of threads that ends with the process."""

import asyncio
from typing import cast

from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import WSGIApp
from starlette.types import ASGIApp, Receive, Scope, Send


class WsgiApplication:
    """a2wsgi's bridge with a lifespan: at shutdown, requests in threads are waited for.

    `threads` bounds the concurrent requests; more of them queue. a2wsgi itself leaves its threads
    to the interpreter's exit, which is after the database was closed.
    """

    def __init__(self, app: WSGIApp, threads: int) -> None:
        bridge = WSGIMiddleware(app, workers=threads)
        self._executor = bridge.executor
        # a2wsgi spells the messages of ASGI out as types, Starlette calls them mappings.
        self._bridge = cast("ASGIApp", bridge)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self._bridge(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # Waiting belongs on a thread: the requests in the pool need this loop to finish.
        await asyncio.to_thread(self._executor.shutdown)
        await send({"type": "lifespan.shutdown.complete"})
