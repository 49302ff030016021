"""Security headers, for every response of every mount.

One path gives different answers to different people, who are told apart by the cookie or by
``Authorization``. So every response names both in ``Vary``. No cache keeps the answer to a known
caller, or one that logs a caller in, unless the endpoint sets its own caching headers. Static files
are the same for everybody and are not changed.
"""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.context import context_of

Header = tuple[bytes, bytes]

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HSTS_SECONDS = 31_536_000
"""A year, the least that browsers' preload lists ask for."""


class SecurityHeadersMiddleware:
    """Sets the headers that a response does not set itself: it loads from this site only, browsers
    guess no media type, no site frames it, no cache keeps it. `https` adds
    Strict-Transport-Security."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        headers = {
            "content-security-policy": CONTENT_SECURITY_POLICY,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }
        if https:
            headers["strict-transport-security"] = f"max-age={HSTS_SECONDS}"
        # In the form that the server takes, so that no response has to encode them again.
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        is_static = _is_static(scope)  # asked now, because mounts change the path's meaning

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                ours = [header for header in self.headers if header[0] not in named]
                if not is_static:
                    own = _with_vary(own, named)
                    if b"cache-control" not in named and _is_personal(scope, named):
                        ours.append(_REVALIDATED if named & _VALIDATORS else _NOT_KEPT)
                message["headers"] = own + ours
            await send(message)

        await self.app(scope, receive, send_with_headers)


_STATIC = "/static/"
_VARY = (b"vary", b"Cookie, Authorization")
_NOT_KEPT = (b"cache-control", b"no-store")
_REVALIDATED = (b"cache-control", b"private, no-cache")
"""With a validator a browser may keep a copy, if it checks it every time."""
_VALIDATORS = frozenset({b"etag", b"last-modified"})


def _is_static(scope: Scope) -> bool:
    path: str = scope["path"]
    outer: str = scope.get("root_path", "")
    return path.startswith((f"{outer}{_STATIC}", _STATIC))


def _is_personal(scope: Scope, named: Iterable[bytes]) -> bool:
    """Whether a response may be for one caller only."""
    return (
        b"set-cookie" in named
        or context_of(scope).identity.is_authenticated
        or find_header(scope, b"cookie") is not None
        or find_header(scope, b"authorization") is not None
    )


def _with_vary(headers: list[Header], named: Iterable[bytes]) -> list[Header]:
    """`headers` with both names in ``Vary``, in addition to the present ones."""
    if b"vary" not in named:
        return [*headers, _VARY]
    said = b", ".join(value for name, value in headers if name.lower() == b"vary")
    names = {part.strip().lower() for part in said.split(b",")}
    if b"*" in names:
        return headers
    missing = [each for each in (b"Cookie", b"Authorization") if each.lower() not in names]
    others = [header for header in headers if header[0].lower() != b"vary"]
    return [*others, (b"vary", b", ".join([said, *missing]))]
