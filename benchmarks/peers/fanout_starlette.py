"""Fan-out as the documents of the frameworks show it: a loop over the sockets that are open."""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

SOCKETS: set[WebSocket] = set()


async def listen(websocket: WebSocket) -> None:
    await websocket.accept()
    SOCKETS.add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        SOCKETS.discard(websocket)


async def publish(request: Request) -> Response:
    text = "@" + "x" * (int(request.query_params["size"]) - 1)
    for _ in range(int(request.query_params["count"])):
        for websocket in list(SOCKETS):
            await websocket.send_text(text)
        await asyncio.sleep(0)
    return PlainTextResponse("ok")


async def page(_request: Request) -> Response:
    return PlainTextResponse("ok")


app = Starlette(
    routes=[
        Route("/", page),
        Route("/publish", publish, methods=["POST"]),
        WebSocketRoute("/ws", listen),
    ]
)
