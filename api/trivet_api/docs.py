"""The page at ``/api/docs``: Swagger UI, all of it from this site, without inline scripts.

The assets come with the package ``fastapi-offline``; FastAPI's own page would load them
from elsewhere, which the content security policy forbids, and so do we.
"""

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from trivet.identity.policy import public

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{static}/swagger-ui.css">
<div id="docs" data-openapi="{root}/openapi.json"></div>
<script src="{static}/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</html>
"""

_START = """\
const place = document.getElementById("docs");
SwaggerUIBundle({ url: place.dataset.openapi, domNode: place, deepLinking: true });
"""


ASSETS = ("fastapi_offline", "static")
"""The package and its folder, which the root serves at ``/static``."""


def install_docs(app: FastAPI) -> None:
    """Add ``/docs`` to `app`."""

    @app.get("/docs", dependencies=[public], include_in_schema=False, name="docs")
    async def docs(request: Request) -> HTMLResponse:
        root = request.scope["root_path"]
        outer = root.rpartition("/")[0]
        page = _PAGE.format(title=app.title, root=root, static=f"{outer}/static")
        return HTMLResponse(page)

    @app.get("/docs/start.js", dependencies=[public], include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript")
