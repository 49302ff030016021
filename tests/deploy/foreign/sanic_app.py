"""Sanic."""

from typing import Any

from sanic import HTTPResponse, Request, Sanic, json

from tests.deploy.foreign import refuse, said, who

app: Any = Sanic("trivet_test_foreign")


@app.before_server_start  # type: ignore[untyped-decorator]
async def start(_: Any) -> None:
    said("sanic", "started")


@app.after_server_stop  # type: ignore[untyped-decorator]
async def stop(_: Any) -> None:
    said("sanic", "stopped")


@app.get("/")  # type: ignore[untyped-decorator]
async def home(_: Request[Any, Any]) -> HTTPResponse:
    return json({"home": True})


@app.get("/who/<name>", unquote=True)  # type: ignore[untyped-decorator]
async def asked(request: Request[Any, Any], name: str) -> HTTPResponse:
    transport: Any = request.transport
    return json(who(transport.scope, name, request.url_for("asked", name="x")))


@app.post("/length")  # type: ignore[untyped-decorator]
async def length(request: Request[Any, Any]) -> HTTPResponse:
    return json({"bytes": len(request.body)})


@app.get("/taken")  # type: ignore[untyped-decorator]
async def taken(_: Request[Any, Any]) -> HTTPResponse:
    refuse()
