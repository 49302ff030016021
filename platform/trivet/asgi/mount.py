"""The mounts that rooms give to the root, and the root's routes to them.

A prefix stays in ``scope["path"]`` and grows ``root_path`` (ASGI's meaning of the two);
that is what Django, FastAPI, Quart, Litestar and WSGI adapters read.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import URLPath
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.problem import no_such_page, refuse
from trivet.context import context_of
from trivet.errors import TrivetError
from trivet.identity.identity import Authenticator
from trivet.identity.policy import Policy, its_own, public
from trivet.outcome import NOTHING


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """One line of ``trivet routes``. `policy` says who may use the route.

    `policies` are the objects behind those words, as far as they are ours; each lists the
    permissions that it asks for. `commits_on` are the refusals that the route declares as outcomes
    (`trivet.commits_on`).
    """

    methods: str
    path: str
    name: str
    policy: str
    policies: tuple[Policy, ...] = ()
    commits_on: frozenset[int] = NOTHING


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of a mounted app that people may begin at: the root's page lists them.

    Attributes:
        title: What the link says, in a few words.
        path: The page below the mount's prefix, such as ``/``.
        about: What one finds there, in a sentence; may be empty.
        policy: Who may open the page; nobody else is shown the link.
        is_page: False for an address that programs use: it is shown, and no link leads there.
    """

    title: str
    path: str
    about: str = ""
    policy: Policy = public
    is_page: bool = True


async def _nothing_pending() -> str:
    return ""


async def _nothing_to_drain() -> None:
    return


@dataclass(frozen=True, slots=True)
class MountedApp:
    """An app under a prefix (``/api``), and what it brings to the whole.

    `websocket` says whether WebSockets are passed to it; without, they are refused before
    the app sees them. `policy` is checked before the app is asked; a room that has a policy
    for each of its routes leaves it at `its_own`. `lifespan` runs the app's own.
    `list_routes` is asked by ``trivet routes`` and gives paths with the prefix.
    `static_packages` are (package, folder) pairs whose files are served at ``/static``.
    `commits_on` are refusals of the app, by their statuses, that keep what the request did
    (`trivet.outcome`).
    `find_pending` is asked by ``/readyz``: what the app waits for, in a sentence, or an empty
    string when it can work. `links` are the pages that people begin at.
    `drain` is awaited when the process begins to stop: it sends
    connections that would stay open (sockets, streams) elsewhere, within a few seconds.
    """

    name: str
    prefix: str
    app: ASGIApp
    authenticators: Sequence[Authenticator] = ()
    websocket: bool = False
    policy: Policy = its_own
    commits_on: frozenset[int] = NOTHING
    lifespan: bool = True
    list_routes: Callable[[], Sequence[RouteInfo]] = tuple
    static_packages: Sequence[tuple[str, str]] = ()
    find_pending: Callable[[], Awaitable[str]] = _nothing_pending
    links: Sequence[PageLink] = ()
    drain: Callable[[], Awaitable[None]] = _nothing_to_drain

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise ValueError(f"the prefix {self.prefix!r} must look like '/name', and never be '/'")


class MountRoute(BaseRoute):
    """The route to a mounted app: everything below its prefix, and the prefix without its
    slash. There a page moves to the slash, and a WebSocket, which no client would follow, is
    served as if it had one.

    Does what Starlette's `Mount` does by a regular expression and a handful of entries in
    the scope, which `_Guarded` would have to take out again.
    """

    def __init__(self, mounted: MountedApp) -> None:
        self.path = mounted.prefix
        self.name = mounted.name
        self.app = _Guarded(mounted)
        self._below = f"{mounted.prefix}/"
        self._websocket = mounted.websocket

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = _path_below(scope)
        if path.startswith(self._below) or path == self.path:
            return Match.FULL, {}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _path_below(scope) == self.path:
            if scope["type"] == "http" and not self._websocket:
                await redirect_to_slash(scope)(scope, receive, send)
                return
            scope["path"] += "/"
        scope["root_path"] = scope.get("root_path", "") + self.path
        await self.app(scope, receive, send)


class _Guarded:
    """Names the mount in the request's context, keeps WebSockets from apps that would only
    fail on them, and hides the root's router, by which an app would build wrong links."""

    def __init__(self, mounted: MountedApp) -> None:
        self.mounted = mounted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        context.mount = self.mounted.name
        scope.pop("router", None)
        if scope["type"] == "websocket" and not self.mounted.websocket:
            await refuse(scope, receive, send, no_such_page(scope))
            return
        try:
            self.mounted.policy.check(context.identity)
        except TrivetError as error:
            await refuse(scope, receive, send, error)
            return
        context.commits_on |= self.mounted.commits_on
        await self.mounted.app(scope, receive, send)


def _path_below(scope: Scope) -> str:
    """The path without the outer prefix (a proxy's, or ``--root-path``)."""
    path: str = scope["path"]
    outer: str = scope.get("root_path", "")
    return path.removeprefix(outer) if path.startswith(f"{outer}/") else path


def redirect_to_slash(scope: Scope) -> Response:
    """A redirect to the same path with a slash, relative to whatever host was asked."""
    query = scope.get("query_string", b"").decode("latin-1")
    return RedirectResponse(scope["path"] + "/" + (f"?{query}" if query else ""))
