"""The files of the root's own pages: their style, the icon, and the icon that browsers ask for.

They are few and listed by name. So the start reads no folder, which would block the event loop
on which an application may be put together.
"""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

_FOLDER = Path(__file__).parent / "files"
_HOUR = 3600
"""The time for which a browser may keep a file without asking again, in seconds."""

_FILES = {
    "/static/trivet/page.css": "text/css",
    "/static/trivet/icon.svg": "image/svg+xml",
    # Browsers ask for it if a page names no icon.
    "/favicon.ico": "image/vnd.microsoft.icon",
}
ICON = "/static/trivet/icon.svg"
STYLE = "/static/trivet/page.css"


def asset_routes() -> list[Route]:
    """A route for each file."""
    return [_route(path, media_type) for path, media_type in _FILES.items()]


def _route(path: str, media_type: str) -> Route:
    file = _FOLDER / path.rpartition("/")[2]

    async def send_file(_request: Request) -> Response:
        headers = {"cache-control": f"public, max-age={_HOUR}"}
        return FileResponse(file, media_type=media_type, headers=headers)

    return Route(path, send_file, name=file.name)
