"""BlackSheep."""

from typing import Any

from blacksheep import Application, Request, Response
from blacksheep.messages import get_absolute_url_to_path
from blacksheep.server.responses import json
from blacksheep.server.routing import Router

from tests.deploy.foreign import refuse, said, who

app: Any = Application(router=Router())


@app.on_start  # type: ignore[untyped-decorator]
async def start(_: Any) -> None:
    said("blacksheep", "started")


@app.on_stop  # type: ignore[untyped-decorator]
async def stop(_: Any) -> None:
    said("blacksheep", "stopped")


@app.router.get("/")  # type: ignore[untyped-decorator]
async def home() -> Response:
    return json({"home": True})


@app.router.get("/who/{name}")  # type: ignore[untyped-decorator]
async def asked(request: Request, name: str) -> Response:
    return json(who(request.scope, name, get_absolute_url_to_path(request, "/who/x")))


@app.router.post("/length")  # type: ignore[untyped-decorator]
async def length(request: Request) -> Response:
    return json({"bytes": len(await request.read() or b"")})


@app.router.get("/taken")  # type: ignore[untyped-decorator]
async def taken() -> Response:
    refuse()
