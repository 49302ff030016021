"""Applications behind the WebSocket protocol of the server, with an ear to what they are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from tests.realtime.house import eventually
from tests.services.processes import free_port
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_realtime.direct_socket import DirectSocket, find_direct_offer
from trivet_realtime.frames import Frame


class Ear:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str | None] = []
        self.events: list[str] = []

    def take(self, text: str | None) -> None:
        self.heard.append(text)

    def lose(self) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("paused")

    def resume_writing(self) -> None:
        self.events.append("resumed")

    def shut_down(self) -> None:
        self.events.append("shut down")


class App:
    """Accepts a WebSocket, attaches an ear and returns."""

    def __init__(self) -> None:
        self.ear = Ear()
        self.socket: DirectSocket | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await WebSocket(scope, receive, send).accept()
        await self.meet()
        offer = find_direct_offer(scope)
        assert offer is not None
        self.socket = offer.attach(lambda _socket: self.ear)

    async def meet(self) -> None:
        """What comes between the handshake and the receiver."""


class Plain(App):
    """Tells its ear what it receives by ASGI, as any application does."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await WebSocket(scope, receive, send).accept()
        self.socket = cast("DirectSocket", find_direct_offer(scope))  # the protocol itself
        while (message := await receive())["type"] == "websocket.receive":
            self.ear.take(message.get("text"))
        self.ear.lose()


APPS = [pytest.param(App, id="attached"), pytest.param(Plain, id="plain ASGI")]


def transport_of(app: App) -> Any:
    """The transport of an application's socket."""
    protocol: Any = app.socket
    return protocol.transport if isinstance(protocol, FramesProtocol) else protocol._transport


@asynccontextmanager
async def served(
    app: App | None = None, certified: tuple[Path, Path] | None = None
) -> AsyncIterator[tuple[App, int, uvicorn.Server]]:
    app, port = app or App(), free_port()
    config = uvicorn.Config(
        app,
        port=port,
        ws=FramesProtocol,
        lifespan="off",
        log_config=None,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=5,
        ssl_certfile=certified and certified[0],
        ssl_keyfile=certified and certified[1],
    )
    if certified:
        await asyncio.to_thread(config.load)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    await eventually(lambda: server.started)
    try:
        yield app, port, server
    finally:
        server.should_exit = True
        await task


async def write_until_paused(app: App) -> tuple[DirectSocket, int]:
    """The socket of `app`, and how many messages it took until its peer took no more."""
    await eventually(lambda: app.socket)
    socket = app.socket
    assert socket is not None
    written = 0
    while "paused" not in app.ear.events:
        socket.write(Frame(b"x" * 50_000).message)
        written += 1
        await asyncio.sleep(0)
    return socket, written
