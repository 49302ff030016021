"""The page at ``/api/docs``: Swagger UI, all of it from this site, without inline scripts.

The assets come with the package ``fastapi-offline``; FastAPI's own page would load them
from elsewhere, which the content security policy forbids, and so do we.
"""

from html import escape
from pathlib import Path

import anyio
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from trivet.asgi.assets import ICON
from trivet.asgi.static_files import find_in_packages, hashed_name
from trivet.context import context_of
from trivet.identity.policy import public

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="{icon}">
<link rel="stylesheet" href="{static}/{style}">
<link rel="stylesheet" href="{root}/docs/style.css">
<div id="docs" data-openapi="{root}/openapi.json"></div>
<script src="{static}/{script}"></script>
<script src="{root}/docs/start.js"></script>
</html>
"""

_FILES = {
    "start.js": "text/javascript",
    "style.css": "text/css",
}
"""Ours beside Swagger UI's own, with their media types; they lie in the folder `static`."""


_FOLDER = Path(__file__).parent / "static"

ASSETS = ("fastapi_offline", "static")
"""The package and its folder, which the root serves at ``/static``."""


def install_docs(app: FastAPI) -> None:
    """Add ``/docs`` to `app`."""

    @app.get("/docs", dependencies=[public], include_in_schema=False, name="docs")
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope["root_path"]
        outer = root.rpartition("/")[0]
        settings = context_of(request.scope).platform.settings
        style, script = await anyio.to_thread.run_sync(_name_assets)
        page = _PAGE.format(
            title=escape(app.title),
            icon=outer + (settings.logo or ICON),
            root=root,
            static=f"{outer}/static",
            style=style,
            script=script,
        )
        return HTMLResponse(page)

    for name, media_type in _FILES.items():
        _install_file(app, name, media_type)


def _name_assets() -> list[str]:
    """The names of Swagger UI's files with their hashes."""
    names = ("swagger-ui.css", "swagger-ui-bundle.js")
    files = [find_in_packages([ASSETS], name) for name in names]
    return [hashed_name(n, f) if f else n for n, f in zip(names, files, strict=True)]


def _install_file(app: FastAPI, name: str, media_type: str) -> None:
    @app.get(f"/docs/{name}", dependencies=[public], include_in_schema=False)
    async def docs_file() -> Response:
        return FileResponse(_FOLDER / name, media_type=media_type)
