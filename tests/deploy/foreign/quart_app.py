"""Quart, with a WebSocket."""

from typing import Any

from quart import Quart, request, url_for, websocket

from tests.deploy.foreign import refuse, said, who

app = Quart(__name__)
app.config["PROPAGATE_EXCEPTIONS"] = True


@app.before_serving
async def start() -> None:
    said("quart", "started")


@app.after_serving
async def stop() -> None:
    said("quart", "stopped")


@app.get("/")
async def home() -> dict[str, object]:
    return {"home": True}


@app.get("/who/<name>")
async def asked(name: str) -> dict[str, object]:
    scope: Any = request.scope
    return who(scope, name, url_for("asked", name="x", _external=True))


@app.post("/length")
async def length() -> dict[str, object]:
    return {"bytes": len(await request.get_data())}


@app.websocket("/echo")
async def echo() -> None:
    scope: Any = websocket.scope
    message = await websocket.receive()
    await websocket.send(f"{scope['user'].username}: {message!s}")


@app.get("/taken")
async def taken() -> str:
    refuse()
