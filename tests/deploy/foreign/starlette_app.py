"""Starlette, as raw as an ASGI application is likely to be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.deploy.foreign import refuse, said, who


@asynccontextmanager
async def lifespan(_: Starlette) -> AsyncIterator[None]:
    said("starlette", "started")
    yield
    said("starlette", "stopped")


async def home(_: Request) -> JSONResponse:
    return JSONResponse({"home": True})


async def asked(request: Request) -> JSONResponse:
    url = request.url_for("asked", name="x")
    return JSONResponse(who(request.scope, request.path_params["name"], url))


async def length(request: Request) -> JSONResponse:
    return JSONResponse({"bytes": len(await request.body())})


async def taken(_: Request) -> JSONResponse:
    refuse()


app = Starlette(
    routes=[
        Route("/", home),
        Route("/who/{name}", asked, name="asked"),
        Route("/length", length, methods=["POST"]),
        Route("/taken", taken),
    ],
    lifespan=lifespan,
)
