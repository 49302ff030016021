"""Pages of other origins: what their browsers may send here, and read of the answers.

The settings name two kinds of origins. An allowed one calls with a key, or as nobody: the
visitor's cookies are taken off its requests, so that no page acts in the name of a visitor. A
trusted one may do what our own pages may. Every answer to either carries what the Fetch standard
asks for, refusals and faults too, because this stands outside of everything that refuses.

A page of any other origin is no business of ours: its requests go on as they came, and a mounted
application with rules of its own answers its own preflights. Where an application has written
``Access-Control-Allow-Origin`` itself, nothing is added.
"""

from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.headers import find_header

Header = tuple[bytes, bytes]

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = (
    b"ETag, Idempotent-Replayed, Link, Location, Preference-Applied, Retry-After, "
    b"Trivet-Position, X-Request-Id"
)
"""Beside the seven that Fetch shows to every page."""
PREFLIGHT_SECONDS = 600
"""How long a browser need not ask again. Chromium keeps no answer for longer than two hours."""

ALLOWED_ORIGIN = "trivet_allowed_origin"
"""The key of a scope whose request comes from an allowed origin, with its cookies taken off."""


class CorsMiddleware:
    """Lets pages of `allowed` origins call without cookies, those of `trusted` ones with them.

    Args:
        allowed: Origins as browsers write them; ``*`` for all, ``null`` for pages without one.
        trusted: The same, without ``*``.
    """

    def __init__(self, app: ASGIApp, *, allowed: Iterable[str], trusted: Iterable[str]) -> None:
        self.app = app
        self._allowed = frozenset(allowed)
        self._trusted = frozenset(trusted)
        self._is_used = bool(self._allowed or self._trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_used or scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        origin = find_header(scope, b"origin")
        trusted = origin is not None and origin in self._trusted
        allowed = origin is not None and ("*" in self._allowed or origin in self._allowed)
        if origin is None or not (trusted or allowed):
            await self.app(scope, receive, _varying(send))
            return
        headers = [(b"access-control-allow-origin", origin.encode("latin-1"))]
        if trusted:
            headers.append((b"access-control-allow-credentials", b"true"))
        else:
            _take_cookies_off(scope)
        if _is_preflight(scope):
            await _answer_preflight(scope, send, headers)
            return
        headers.append((b"access-control-expose-headers", EXPOSED))
        await self.app(scope, receive, _adding(send, headers))


def _take_cookies_off(scope: Scope) -> None:
    scope[ALLOWED_ORIGIN] = True
    scope["headers"] = [header for header in scope["headers"] if header[0] != b"cookie"]


def _is_preflight(scope: Scope) -> bool:
    return (
        scope["type"] == "http"
        and scope["method"] == "OPTIONS"
        and find_header(scope, b"access-control-request-method") is not None
    )


async def _answer_preflight(scope: Scope, send: Send, headers: list[Header]) -> None:
    asked = find_header(scope, b"access-control-request-headers")
    headers += [
        (b"access-control-allow-methods", METHODS),
        (b"access-control-max-age", str(PREFLIGHT_SECONDS).encode()),
        (b"vary", b"Origin, Access-Control-Request-Headers"),
    ]
    if asked:
        headers.append((b"access-control-allow-headers", asked.encode("latin-1")))
    if find_header(scope, b"access-control-request-private-network") == "true":
        headers.append((b"access-control-allow-private-network", b"true"))
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


_STARTS = ("http.response.start", "websocket.http.response.start")


def _varying(send: Send) -> Send:
    """`send`, naming ``Origin`` in ``Vary``: the same address answers others differently."""

    async def send_varying(message: Message) -> None:
        if message["type"] in _STARTS:
            message["headers"] = [*message.get("headers", ()), (b"vary", b"Origin")]
        await send(message)

    return send_varying


def _adding(send: Send, headers: list[Header]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] in _STARTS:
            own = list(message.get("headers", ()))
            decides_itself = any(name.lower() == headers[0][0] for name, _ in own)
            message["headers"] = own if decides_itself else [*own, *headers, (b"vary", b"Origin")]
        await send(message)

    return send_with_headers
