"""A mounted application that answers its faults itself, and raises them again behind it."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def lost(_request: Request) -> Response:
    raise LookupError("lost in Starlette")


app = Starlette(routes=[Route("/lost", lost)])
