"""The root: one ASGI application over every room. Read it from top to bottom."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi import health, middleware
from trivet.asgi.address import PublicAddress
from trivet.asgi.assets import asset_routes
from trivet.asgi.cookies import cookie_name
from trivet.asgi.methods import OptionsAnswered, http_problem_of, options_response
from trivet.asgi.mount import MountedApp, MountRoute, PageLink
from trivet.asgi.page import Frame
from trivet.asgi.paths import path_below
from trivet.asgi.problem import no_such_page, refuse
from trivet.asgi.process import Process
from trivet.asgi.static_files import HashedStaticFiles
from trivet.asgi.welcome import Welcome
from trivet.errors import ConfigurationError
from trivet.features import Feature, attribute_of, modules_of
from trivet.identity.identity import Authenticator
from trivet.platform import Platform
from trivet.web import list_pages, policy_of


def build_root(
    platform: Platform,
    mounts: Sequence[MountedApp],
    *,
    authenticators: Sequence[Authenticator] | None = None,
) -> "Root":
    """The application: middleware around the router of `mounts`, pages and probes.

    `authenticators` default to those that the mounts bring; they are asked in order, those
    of credentials that a client sends on purpose before the ambient ones.

    Raises ConfigurationError if two mounts claim the same prefix, or one claims a path of ours.
    """
    pages = pages_of(platform.features)
    _refuse_clashes([*mounts, *pages])
    settings = platform.settings
    frame = Frame(settings.name, settings.logo)
    of_our_own = [
        # Starlette asks an endpoint that is an object by any method, unless it is told which.
        Route(
            "/",
            Welcome(frame, [*pages, *mounts], settings.home),
            methods=["GET"],
            name="welcome",
        ),
        *asset_routes(),
        Route("/healthz", health.alive, name="healthz"),
        Route("/readyz", health.Readiness(mounts), methods=["GET"], name="readyz"),
        *_static(mounts),
    ]
    app: ASGIApp = Router(
        [MountRoute(mounted) for mounted in (*mounts, *pages)],
        redirect_slashes=False,
        default=_route(of_our_own),
    )
    if authenticators is None:
        authenticators = [each for mounted in mounts for each in mounted.authenticators]
    limits = {m.prefix: m.body_limit_bytes for m in mounts if m.body_limit_bytes is not None}
    open_paths = [path for mounted in mounts for path in mounted.open_paths]
    login = next((mounted.prefix + mounted.login for mounted in mounts if mounted.login), "")
    for layer in reversed(stack(platform, authenticators, limits, open_paths, login)):
        app = layer.cls(app, *layer.args, **layer.kwargs)
    return Root(platform, mounts, app, pages=pages)


def stack(
    platform: Platform,
    authenticators: Sequence[Authenticator],
    body_limits: Mapping[str, int] = MappingProxyType({}),
    open_paths: Sequence[str] = (),
    login: str = "",
) -> list[Middleware]:
    """The middleware, outermost first, with the promise of each."""
    settings, database = platform.settings, platform.database
    return [
        # Every response carries a request id, and every request leaves one line in the log.
        Middleware(middleware.AccessLogMiddleware, platform=platform),
        # Browsers load nothing from elsewhere, nobody frames our pages, and no cache gives one
        # caller the answer to another.
        Middleware(middleware.SecurityHeadersMiddleware, https=settings.secure_cookies),
        # Pages of the origins that the settings name may read the answers, refusals and faults too.
        Middleware(
            middleware.CorsMiddleware,
            allowed=settings.allowed_origins,
            trusted=settings.trusted_origins,
        ),
        # A browser sees a problem as a page with a link to the start page, and to the login.
        Middleware(
            middleware.ErrorPagesMiddleware,
            frame=Frame(settings.name, settings.logo),
            login=login,
        ),
        # An exception that no code caught becomes a problem document, without a detail.
        Middleware(middleware.LastResortMiddleware, debug=settings.debug),
        # No request is larger or slower than the limits, or names another site.
        Middleware(
            middleware.LimitsMiddleware,
            body_bytes=settings.body_limit_bytes,
            body_seconds=settings.body_seconds,
            held_bytes=settings.held_bodies_bytes,
            body_limits=body_limits,
            hosts=settings.hosts,
            open_paths=open_paths,
        ),
        # No page of another site acts with a visitor's cookies.
        Middleware(
            middleware.CrossSiteMiddleware,
            trusted_origins=settings.csrf_origins,
            open_prefixes=settings.extra_mounts,
        ),
        # The identity is established once, for every mount.
        Middleware(
            middleware.IdentityMiddleware,
            database=database,
            identities=platform.identities,
            key_uses=platform.key_uses,
            authenticators=sorted(authenticators, key=lambda each: each.is_ambient),
        ),
        # What a client has written it reads, from whichever server.
        *_position(platform),
        # Committed publications are delivered at once.
        Middleware(middleware.DeliveryMiddleware, broker=platform.broker),
        # One transaction, decided by the status, committed before the first byte.
        Middleware(middleware.UnitOfWorkMiddleware, debug=settings.debug),
    ]


def _position(platform: Platform) -> list[Middleware]:
    if platform.replicas is None:
        return []
    settings = platform.settings
    return [
        Middleware(
            middleware.PositionMiddleware,
            cookie=cookie_name("trivet_position", settings),
            secure=settings.secure_cookies,
        )
    ]


EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Root:
    """The ASGI application: lifespans to the process, requests through the middleware."""

    def __init__(
        self,
        platform: Platform,
        mounts: Sequence[MountedApp],
        app: ASGIApp,
        *,
        pages: Sequence[MountedApp] = (),
    ) -> None:
        self.platform = platform
        self.mounts = tuple(mounts)
        self.pages = tuple(pages)
        self.process = Process(platform, mounts)
        self.requests = platform.lifecycle.requests
        self.address = PublicAddress(
            is_secure=platform.settings.secure_cookies,
            prefixes=[mounted.prefix for mounted in (*mounts, *pages)],
            root_path=platform.settings.root_path,
        )
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.process.serve_lifespan(scope, receive, send)
            return
        # Starlette's routes raise, so that we can render, only if the scope names an application.
        scope["app"] = self
        self.address.settle(scope)
        if scope["type"] == "http":
            with self.requests:
                await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    # The server as a whole (RFC 9110, 9.3.7): what some path of it answers.
    if scope["type"] == "http" and scope["method"] == "OPTIONS" and path_below(scope) == "*":
        await options_response(EVERY_METHOD)(scope, receive, send)
        return
    await refuse(scope, receive, send, no_such_page(scope))


def pages_of(features: Sequence[Feature]) -> list[MountedApp]:
    """The pages of each feature that has a ``web.py``, under its name.

    Raises ConfigurationError if a page has no policy.
    """
    cure = "routes = [page(…), …], with trivet.web.page"
    pages = []
    for feature, module in modules_of(features, "web"):
        routes: Sequence[BaseRoute] = attribute_of(module, "routes", Sequence, cure)  # type: ignore[type-abstract]  # only asked about
        pages.append(_pages(feature, routes))
    return pages


def _pages(feature: Feature, routes: Sequence[BaseRoute]) -> MountedApp:
    listed = list_pages(feature.name, routes)
    return MountedApp(
        name=feature.name,
        prefix=f"/{feature.name}",
        app=_route(routes, redirect_slashes=True),
        lifespan=False,
        list_routes=lambda: listed,
        links=[
            PageLink(feature.title, "/", feature.about, policy_of(route))
            for route in routes
            if getattr(route, "path", None) == "/"
        ],
    )


def _route(routes: Sequence[BaseRoute], *, redirect_slashes: bool = False) -> ASGIApp:
    """A router whose exceptions of HTTP (404, 405) become problem documents, and which says by
    OPTIONS what it answers."""
    router = Router(routes, redirect_slashes=redirect_slashes, default=_not_found)
    problem = http_problem_of(lambda: routes)
    return OptionsAnswered(
        ExceptionMiddleware(router, handlers={HTTPException: problem}), lambda: routes
    )


def _static(mounts: Sequence[MountedApp]) -> list[BaseRoute]:
    """The rooms' static files, read from their packages: nothing has to be collected."""
    packages = [p for m in mounts for p in m.static_packages]
    folders = [f for m in mounts for f in m.static_folders]
    prefixes = [each for m in mounts for each in m.static_prefixes.items()]
    routes: list[BaseRoute] = [
        Mount(f"/static/{prefix}", HashedStaticFiles(directory=folder), name=f"static {prefix}")
        for prefix, folder in prefixes
    ]
    if packages or folders:
        files = HashedStaticFiles(packages=packages, folders=folders)
        routes.append(Mount("/static", app=files, name="static"))
    return routes


def _refuse_clashes(mounts: Iterable[MountedApp]) -> None:
    # Mounts are tried before the root's own routes, so they may not claim their paths.
    seen = dict.fromkeys(("/healthz", "/readyz", "/static", "/favicon.ico"), "the root")
    for mounted in mounts:
        if mounted.prefix in seen:
            raise ConfigurationError(
                "prefix-clash",
                f"{seen[mounted.prefix]} and {mounted.name} both claim {mounted.prefix}.",
            )
        seen[mounted.prefix] = mounted.name
