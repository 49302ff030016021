"""Refusals and faults of pages."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from trivet.errors import Conflict
from trivet.web import page, public, staff


async def lost(_request: Request) -> Response:
    raise LookupError("lost in a page")


async def refused(_request: Request) -> Response:
    raise Conflict("taken", "Someone sits there.")


async def teapot(_request: Request) -> Response:
    raise HTTPException(418, "a teapot")


routes = [
    page("/lost", lost, policy=public),
    page("/refused", refused, policy=public),
    page("/teapot", teapot, policy=public),
    page("/staff", lost, policy=staff),
]
