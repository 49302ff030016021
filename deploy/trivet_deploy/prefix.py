"""What some frameworks must have changed in a scope before they can live under a prefix."""

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


class OwnRootPath:
    """Makes an application build its URLs from where it is mounted.

    Starlette's Mount leaves the outermost root_path in `app_root_path`, for its own url_for.
    Litestar reads that key too, and behind a proxy's prefix would then leave its own out.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "app_root_path": scope.get("root_path", "")}
        await self.app(scope, receive, send)


def _strip_raw(raw_path: bytes, root_path: str) -> bytes:
    # The raw path may be percent-encoded where root_path is not, so that no byte prefix need be
    # common; but a prefix has as many segments in both.
    segments = raw_path.split(b"/")[root_path.count("/") + 1 :]
    return b"/" + b"/".join(segments)
