"""An application that tells what it was asked."""

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Tells where it was called, by http and by websocket."""
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        await socket.send_json({"path": scope["path"], "root_path": scope["root_path"]})
        await socket.close()
        return
    request = Request(scope)
    body = {"path": scope["path"], "root_path": scope["root_path"], "url": str(request.url)}
    await JSONResponse(body)(scope, receive, send)
