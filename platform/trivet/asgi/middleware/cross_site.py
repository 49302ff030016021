"""The cross-site check: no page of another site acts with a visitor's cookies here.

The browser reports the site of the page that makes a request: in ``Sec-Fetch-Site`` (Fetch
Metadata), or in ``Origin`` if it does not send the other. A page can set neither of them. A
request with neither is not from a browser, so no cookie was added without the user's knowledge.
"""

import logging
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.asgi.middleware.cors import ALLOWED_ORIGIN
from trivet.asgi.once import OnceLogger
from trivet.asgi.problem import refuse
from trivet.errors import Forbidden

logger = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing (RFC 9110, 9.2.1)."""

_OWN_SITE = frozenset({"same-origin", "none"})


class CrossSiteMiddleware:
    """Refuses, with 403, unsafe requests and WebSocket handshakes that come from a page
    of another origin, unless they carry an ``Authorization`` header and no cookie.

    Args:
        trusted_origins: Origins (``https://host[:port]``) that may do what our own pages may.
        open_prefixes: Mounted applications of others, which have rules of their own for other
            origins: a request without cookies goes to them.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        trusted_origins: Iterable[str] = (),
        open_prefixes: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.trusted_origins = frozenset(trusted_origins)
        self._open = tuple(f"{prefix}/" for prefix in open_prefixes)
        self._refused = OnceLogger(logger, _ADVICE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket") or self._is_allowed(scope):
            await self.app(scope, receive, send)
            return
        self._refused.warn(find_header(scope, b"origin") or "a page without an origin")
        await refuse(scope, receive, send, _REFUSAL)

    def _is_allowed(self, scope: Scope) -> bool:
        if scope["type"] == "http" and scope["method"] in SAFE_METHODS:
            return True
        if find_header(scope, b"cookie") is None and (
            scope["type"] == "websocket"
            or find_header(scope, b"authorization") is not None
            or scope.get(ALLOWED_ORIGIN, False)
            or self._is_elsewhere(scope)
        ):
            return True
        origin, site = find_header(scope, b"origin"), find_header(scope, b"sec-fetch-site")
        if origin is not None and origin in self.trusted_origins:
            return True
        if site is not None:
            return site in _OWN_SITE
        return origin is None or origin == _own_origin(scope)

    def _is_elsewhere(self, scope: Scope) -> bool:
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        return bool(self._open) and f"{path}/".startswith(self._open)


def _own_origin(scope: Scope) -> str:
    """The origin under which the client reached us, as the server sees it. Behind a proxy that
    is not trusted it differs from the public origin, which is always trusted."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return f"{scheme}://{find_header(scope, b'host') or ''}"


_ADVICE = (
    "a request from a page of %s was refused. If that page is yours, name its origin in "
    "TRIVET_ALLOWED_ORIGINS (calls with a key, without cookies) or in TRIVET_TRUSTED_ORIGINS "
    "(with the visitor's cookies)"
)
_REFUSAL = Forbidden("cross-site", "This request comes from a page of another site.")
