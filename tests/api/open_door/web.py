"""A page and files without a policy, beside a page that has one."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from trivet.web import page, public


async def look(request: Request) -> Response:
    return Response()


routes = [
    page("/porch", look, policy=public),
    Route("/hall", look),
    Mount("/cellar", StaticFiles(directory=Path(__file__).parent)),
]
