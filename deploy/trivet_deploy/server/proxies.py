"""Whose word about the client is taken: `TRIVET_TRUSTED_PROXIES`, whichever server runs us.

uvicorn's own middleware reads the headers: from the right, past the proxies that are trusted, to
the first address that is not. It knows no client of a unix socket, which has no address; such a
socket is reached by whoever may open the file, and the word ``unix`` trusts them.

It also takes ``X-Forwarded-Proto`` for one word in lower case. Proxies write it in capitals too,
and several in a row make a list, in one line or in several; the first of it is what the client
used.
"""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

UNIX = "unix"


class TrustedProxies:
    """Puts the client's own address into the scopes of `app`, from the headers of `proxies`."""

    def __init__(self, app: ASGIApp, proxies: tuple[str, ...]) -> None:
        self._trusts_unix = UNIX in proxies
        self._app = app
        believed: Any = app  # uvicorn's types of an ASGI application are its own
        self._believing: Any = ProxyHeadersMiddleware(believed, trusted_hosts=list(proxies))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            _read_one_scheme(scope)
        if scope["type"] == "lifespan" or scope.get("client") is not None:
            await self._believing(scope, receive, send)
        elif self._trusts_unix:
            scope["client"] = (UNIX, 0)
            await self._believing(scope, receive, send)
        else:
            await self._app(scope, receive, send)


_SCHEME = b"x-forwarded-proto"


def _read_one_scheme(scope: Scope) -> None:
    given = [value for name, value in scope["headers"] if name == _SCHEME]
    if given:
        first = b",".join(given).partition(b",")[0].strip().lower()
        others = [pair for pair in scope["headers"] if pair[0] != _SCHEME]
        scope["headers"] = [*others, (_SCHEME, first)]
