"""The mounts that rooms give to the root, and the root's routes to them.

The prefix stays in ``scope["path"]`` and is added to ``root_path``, as ASGI defines the two.
Django, FastAPI, Quart, Litestar and WSGI adapters read them so.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import URLPath
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.paths import path_below
from trivet.asgi.problem import no_such_page, refuse
from trivet.context import context_of
from trivet.errors import TrivetError
from trivet.identity.identity import Authenticator
from trivet.identity.policy import Policy, its_own, public
from trivet.outcome import NOTHING


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """One line of ``trivet routes``. `policy` names the condition for the use of the route.

    `policies` are the policies behind that name, as far as they are ours. `commits_on` are the
    refusals that the route declares as outcomes (`trivet.commits_on`). `idempotency_key` says
    whether the route ``takes``, ``requires`` or ``refuses`` one; it is empty where keys mean
    nothing.
    """

    methods: str
    path: str
    name: str
    policy: str
    policies: tuple[Policy, ...] = ()
    commits_on: frozenset[int] = NOTHING
    idempotency_key: str = ""


@dataclass(frozen=True, slots=True)
class PageLink:
    """A page of a mounted app that people may begin at: the root's page lists them.

    Attributes:
        title: The text of the link, in a few words.
        path: The page below the mount's prefix, such as ``/``.
        about: A sentence about the page; may be empty.
        policy: The condition for opening the page. Other visitors do not see the link.
        is_page: False for an address that programs use: it is shown as text, without a link.
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
    """An app under a prefix, with everything that it adds to the whole.

    Attributes:
        name: The name in the log, the audit trail and ``trivet routes``.
        prefix: The path under which the app lies, such as ``/api``.
        app: The ASGI application.
        authenticators: The ways of establishing an identity that the app brings.
        websocket: Whether WebSockets are passed to the app. Without it they are refused before.
        policy: The condition that is checked before the app is called. An app that has a policy
            for each of its routes leaves it at `its_own`.
        commits_on: The statuses of refusals that commit (`trivet.outcome`).
        lifespan: Whether the app's own lifespan is run.
        list_routes: A function that lists the routes, with the prefix, for ``trivet routes``.
        static_packages: Pairs of package and folder, whose files are served at ``/static``.
        static_folders: Other folders whose files are served there, before those of packages.
        static_prefixes: Folders whose files are served below ``/static`` and a prefix, by prefix.
        find_pending: A function for ``/readyz``. It returns a sentence that names what the app
            waits for, or an empty string if the app can work.
        links: The pages of the app at which people may begin.
        drain: A function that is awaited when the process begins to stop. It sends connections
            that would stay open (sockets, streams) elsewhere, within a few seconds.
        body_limit_bytes: The bound of its requests' bodies, in place of the setting of this name.
        open_paths: The paths, with the prefix, that answer to every host: programs ask for them by
            the name that the process has in their network. Nothing there may trust the host.
        login: The page of the app, below the prefix, at which people log in, such as ``/login/``;
            it goes on to the address in its parameter `next`. Empty if there is none.
        streams_bodies: Whether the app reads bodies piece by piece and keeps none of them. Only the
            piece that it reads counts then as held in memory.
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
    static_folders: Sequence[Path] = ()
    static_prefixes: Mapping[str, Path] = field(default_factory=dict)
    find_pending: Callable[[], Awaitable[str]] = _nothing_pending
    links: Sequence[PageLink] = ()
    drain: Callable[[], Awaitable[None]] = _nothing_to_drain
    body_limit_bytes: int | None = None
    streams_bodies: bool = False
    open_paths: Collection[str] = ()
    login: str = ""

    def __post_init__(self) -> None:
        if not self.prefix.startswith("/") or self.prefix.endswith("/"):
            raise ValueError(f"the prefix {self.prefix!r} must look like '/name', and never be '/'")


class MountRoute(BaseRoute):
    """The route to a mounted app: every path below its prefix, and the prefix without a slash. A
    page at the latter is redirected to the slash. A WebSocket there is served directly, because
    no client follows a redirect of one.

    Starlette's `Mount` does this by a regular expression and several entries in the scope, which
    `_Guarded` would have to remove again.
    """

    def __init__(self, mounted: MountedApp) -> None:
        self.path = mounted.prefix
        self.name = mounted.name
        self.app = _Guarded(mounted)
        self._below = f"{mounted.prefix}/"
        self._websocket = mounted.websocket

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = path_below(scope)
        if path.startswith(self._below) or path == self.path:
            return Match.FULL, {}
        return Match.NONE, {}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if path_below(scope) == self.path:
            if scope["type"] == "http" and not self._websocket:
                await redirect_to_slash(scope)(scope, receive, send)
                return
            scope["path"] += "/"
        scope["root_path"] = scope.get("root_path", "") + self.path
        await self.app(scope, receive, send)


class _Guarded:
    """Names the mount in the request's context, refuses WebSockets for apps that cannot serve
    them, and hides the root's router, with which an app would build wrong links."""

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
        if self.mounted.commits_on:
            context.commits_on |= self.mounted.commits_on
        if self.mounted.streams_bodies:
            context.stream_body()
        await self.mounted.app(scope, receive, send)


def redirect_to_slash(scope: Scope) -> Response:
    """A redirect to the same path with a slash, on the same host."""
    query = scope.get("query_string", b"").decode("latin-1")
    return RedirectResponse(scope["path"] + "/" + (f"?{query}" if query else ""))
