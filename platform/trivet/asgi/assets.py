"""The files of the root's own pages: their style, the icon, and the icon that browsers ask for."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from trivet.asgi.static_files import HashedStaticFiles, hashed_name

_FOLDER = Path(__file__).parent / "files"
_HOUR = 3600
"""How long a browser may keep the icon at its one fixed address without asking, in seconds."""


def _address(name: str) -> str:
    return hashed_name(f"/static/trivet/{name}", _FOLDER / name)


# Read once with the module, as its text is: a page is made on the event loop, and so is, now and
# then, an application.
ICON = _address("icon.svg")
STYLE = _address("page.css")


def asset_routes() -> list[BaseRoute]:
    """The files at ``/static/trivet``, and the icon where browsers look for one."""
    return [
        Route("/favicon.ico", _send_icon, name="favicon.ico"),
        Mount("/static/trivet", HashedStaticFiles(directory=_FOLDER), name="assets"),
    ]


async def _send_icon(_request: Request) -> Response:
    headers = {"cache-control": f"public, max-age={_HOUR}"}
    file = _FOLDER / "favicon.ico"
    return FileResponse(file, media_type="image/vnd.microsoft.icon", headers=headers)
