"""Security headers, for every response of every mount.

One path gives different answers to different people, who are told apart by the cookie or by
``Authorization``. So every response names both in ``Vary``. No cache keeps the answer to a known
caller, or one that logs a caller in, unless the endpoint sets its own caching headers. Static files
are the same for everybody and are not changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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
        encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
        self._plans = {
            is_static: _Plans(encoded, is_static=is_static) for is_static in (False, True)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        plans = self._plans[_is_static(scope)]  # asked now: mounts change the path's meaning

        async def send_with_headers(message: Message) -> None:
            if message["type"] in _OPENING:
                own = message.get("headers", ())
                names = tuple([name for name, _ in own])
                plan = plans.find(names)
                headers = [*own, *plan.added]
                if plan.extends_vary:
                    headers = _with_vary(headers)
                if plan.kept is not None and (plan.sets_cookie or _is_personal(scope)):
                    headers.append(plan.kept)
                message["headers"] = headers
            await send(message)

        await self.app(scope, receive, send_with_headers)


_OPENING = frozenset({"http.response.start", "websocket.http.response.start"})
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


def _is_personal(scope: Scope) -> bool:
    """Whether a caller showed who he is: his answer may be for him alone."""
    return (
        context_of(scope).identity.is_authenticated
        or find_header(scope, b"cookie") is not None
        or find_header(scope, b"authorization") is not None
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is done to the responses that have the same names of headers.

    Attributes:
        added: The headers that are missing.
        extends_vary: Whether the response has a ``Vary`` of its own.
        sets_cookie: Whether it may log a caller in.
        kept: The caching header of a response to one caller; None if the response has its own.
    """

    added: Sequence[Header]
    extends_vary: bool
    sets_cookie: bool
    kept: Header | None


class _Plans:
    """The plans of responses. An application sends few combinations of names, again and again."""

    def __init__(self, headers: Sequence[Header], *, is_static: bool) -> None:
        self._headers = headers
        self._is_static = is_static
        self._known: dict[tuple[bytes, ...], _Plan] = {}

    def find(self, names: tuple[bytes, ...]) -> _Plan:
        """The plan of a response with these names of headers."""
        plan = self._known.get(names)
        if plan is None:
            plan = self._make(frozenset(name.lower() for name in names))
            if len(self._known) < _REMEMBERED:
                self._known[names] = plan
        return plan

    def _make(self, names: frozenset[bytes]) -> _Plan:
        added = [header for header in self._headers if header[0] not in names]
        if self._is_static:
            return _Plan(added, extends_vary=False, sets_cookie=False, kept=None)
        has_vary = b"vary" in names
        kept = _REVALIDATED if names & _VALIDATORS else _NOT_KEPT
        return _Plan(
            added=added if has_vary else [_VARY, *added],
            extends_vary=has_vary,
            sets_cookie=b"set-cookie" in names,
            kept=None if b"cache-control" in names else kept,
        )


_REMEMBERED = 256


def _with_vary(headers: list[Header]) -> list[Header]:
    """`headers` with both names in their ``Vary``, in addition to the present ones."""
    said = b", ".join(value for name, value in headers if name.lower() == b"vary")
    names = {part.strip().lower() for part in said.split(b",")}
    if b"*" in names:
        return headers
    missing = [each for each in (b"Cookie", b"Authorization") if each.lower() not in names]
    others = [header for header in headers if header[0].lower() != b"vary"]
    return [*others, (b"vary", b", ".join([said, *missing]))]
