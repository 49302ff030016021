"""The way in: what stands at ``/api/`` and the OpenAPI document."""

from threading import Lock
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request

from trivet.context import context_of
from trivet.identity.policy import public
from trivet_api.openapi import describe


def install_index(app: FastAPI) -> None:
    """Add ``/`` and ``/openapi.json`` to `app`."""
    making = Lock()

    def make_document(root: str, cookie_name: str) -> dict[str, Any]:
        with making:
            return describe(app, root=root, cookie_name=cookie_name)

    @app.get("/", dependencies=[public], include_in_schema=False, name="index")
    async def index(request: Request) -> dict[str, str]:
        root = request.scope.get("root_path", "")
        return {
            "title": app.title,
            "openapi": f"{root}/openapi.json",
            "docs": f"{root}/docs",
        }

    @app.get("/openapi.json", dependencies=[public], include_in_schema=False, name="openapi")
    async def openapi(request: Request) -> dict[str, Any]:
        accounts = context_of(request.scope).platform.accounts
        root = request.scope.get("root_path", "")
        # The first one is made of every model, which takes long where there are many.
        return await to_thread.run_sync(make_document, root, accounts.cookie_name)
