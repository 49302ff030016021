"""A page that breaks, and one that is not for everybody."""

from starlette.requests import Request
from starlette.responses import Response

from trivet.web import page, public, staff


async def broken(_request: Request) -> Response:
    raise LookupError("the password is swordfish")


async def office(_request: Request) -> Response:
    return Response("Welcome.")


routes = [page("/broken", broken, policy=public), page("/office", office, policy=staff)]
