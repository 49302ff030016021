"""The changes of a scope that some frameworks need before they can live under a prefix."""

from starlette.types import ASGIApp, Receive, Scope, Send


class PrefixStripped:
    """Cuts `root_path` off `path` and `raw_path` before the application sees them.

    The ASGI specification wants `path` whole, and most frameworks subtract `root_path` themselves.
    For one that does not, what is left of `path` here is what it would see if it were alone.
    `root_path` stays, so that a handler can still learn where it is mounted. Sanic needs this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        root_path = scope.get("root_path", "")
        path = scope["path"].removeprefix(root_path) or "/"
        raw_path = _strip_raw(scope.get("raw_path") or scope["path"].encode(), root_path)
        await self.app({**scope, "path": path, "raw_path": raw_path}, receive, send)


class ScopeOfItsOwn:
    """Keeps the notes of the house's router from an application that reads the same keys.

    Starlette's router leaves itself in `router` and the outermost root_path in `app_root_path`, for
    the url_for of its own children. Starlette itself, FastAPI and Litestar look there too: mounted
    as a whole they would look their routes up in the wrong router, or leave their prefix out.
    """

    _KEYS = frozenset({"router", "endpoint", "app_root_path"})

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        own = {key: value for key, value in scope.items() if key not in self._KEYS}
        await self.app(own, receive, send)


def _strip_raw(raw_path: bytes, root_path: str) -> bytes:
    # The raw path may be percent-encoded where root_path is not, so that no byte prefix need be
    # common; but a prefix has as many segments in both.
    segments = raw_path.split(b"/")[root_path.count("/") + 1 :]
    return b"/" + b"/".join(segments)
