"""A mounted application that answers its faults itself, and raises them again behind it."""

from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from trivet.errors import Conflict


async def lost(_request: Request) -> Response:
    raise LookupError("lost in Starlette")


async def taken(_request: Request) -> Response:
    raise Conflict("taken", "Somebody has this one already.")


async def stream(_request: Request) -> Response:
    async def pieces() -> AsyncIterator[str]:
        yield "begun"
        raise LookupError("lost in a stream of Starlette")

    return StreamingResponse(pieces(), 500)


ROUTES: list[BaseRoute] = [Route("/lost", lost), Route("/taken", taken), Route("/stream", stream)]
app = Starlette(routes=ROUTES)
of_fastapi = FastAPI(routes=ROUTES)
