"""Litestar, with its default logging configuration, which seizes the root logger."""

from typing import Any

from litestar import Litestar, Request, get, post

from tests.deploy.foreign import refuse, said, who


async def start(_: Litestar) -> None:
    said("litestar", "started")


async def stop(_: Litestar) -> None:
    said("litestar", "stopped")


@get("/")
async def home() -> dict[str, Any]:
    return {"home": True}


@get("/who/{person:str}", name="asked")
async def asked(person: str, request: Request[Any, Any, Any]) -> dict[str, Any]:
    return who(request.scope, person, request.url_for("asked", person="x"))


@post("/length", status_code=200)
async def length(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"bytes": len(await request.body())}


@get("/taken")
async def taken() -> None:
    refuse()


app = Litestar([home, asked, length, taken], on_startup=[start], on_shutdown=[stop])
