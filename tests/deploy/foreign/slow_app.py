"""An application that says when it is asked, and answers when a file tells it to.

The files lie in the working directory of the server: `asked` and `answer`.
"""

import anyio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def wait(_: Request) -> JSONResponse:
    await anyio.Path("asked").touch()
    while not await anyio.Path("answer").exists():  # noqa: ASYNC110  # a file has no event
        await anyio.sleep(0.02)
    return JSONResponse({"answered": True})


app = Starlette(routes=[Route("/", wait)])
