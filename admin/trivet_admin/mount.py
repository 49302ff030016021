"""The mounts of Django's: the admin at /admin, and the URLconfs of joined applications.

Django has one URLconf with the prefixes of all mounts in it (`trivet_admin.urls`), so a request is
handed to it as if there were no mounts.
"""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from time import monotonic
from typing import Any

import anyio
import anyio.to_thread
from asgiref.sync import ThreadSensitiveContext
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet import Platform
from trivet.asgi.health import PROBE_SECONDS
from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.mount import MountedApp, PageLink, RouteInfo
from trivet.context import current_context
from trivet.identity.policy import parse_policy
from trivet.outcome import NOTHING
from trivet_admin import runtime
from trivet_admin.auth.authenticator import SessionAuthenticator
from trivet_admin.backends.allowed import django_allowed
from trivet_admin.capacity import CapacityLimiter
from trivet_admin.configuration import POOL_RECONNECT_SECONDS, configure
from trivet_admin.site.policy import LOGIN_PATH, PREFIX, is_of_admin, words_of
from trivet_admin.static_files import PACKAGES
from trivet_admin.transactions import ThreadedTransactions


def mount(platform: Platform) -> MountedApp:
    """Django with its admin, for the features of `platform`.

    Raises ConfigurationError if a registered model cannot be mirrored, or if Django was
    configured otherwise in this process.
    """
    configure(platform.settings, platform.features, platform.capture)
    runtime.set_platform(platform)
    from django.core.asgi import get_asgi_application

    from trivet_admin.feature_files import refuse_hidden_files, static_prefixes
    from trivet_admin.joined.apps import static_folders
    from trivet_admin.joined.urls import require_importable

    require_importable(platform.settings.django_urls)
    prefixes = static_prefixes(platform.features)
    refuse_hidden_files(platform.features, prefixes)
    django_app: Any = get_asgi_application()
    return MountedApp(
        name="admin",
        prefix=PREFIX,
        app=BoundedApp(django_app, _limiter(platform), PREFIX),
        authenticators=(SessionAuthenticator(),),
        list_routes=list_routes,
        static_packages=PACKAGES,
        static_folders=static_folders(),
        static_prefixes=prefixes,
        find_pending=find_pending,
        login=LOGIN_PATH,
        links=(PageLink("Administration", "/", "Records, users and what was changed, for staff."),),
    )


class BoundedApp:
    """As many requests in Django at once as there are `turns`; the others wait for one, and
    are told to come back (503) if they wait too long.

    Django under ASGI takes a thread and up to one database connection a request, and
    nothing else bounds either. The threads are kept for the next request, where asgiref
    would start one for each, and a second one to wait for its end. A request waits for its
    place only once its body is here, so that slow senders hold no place. A lifespan scope goes
    to Django, which refuses it.

    Django learns of the path before that of the site, and not of the mount's `prefix`.
    """

    def __init__(self, app: ASGIApp, limiter: CapacityLimiter, prefix: str = "") -> None:
        self.app = app
        self._limiter = limiter
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = await _read_body(receive)
        await _choose_replica(scope)
        async with self._limiter.hold(), _worker():
            with django_allowed():
                outer = scope.get("root_path", "").removesuffix(self._prefix)
                scope = {**scope, "root_path": outer}
                await self.app(scope, _replay(body, receive), send)


async def _choose_replica(scope: Scope) -> None:
    """Here, where a wait for a replica holds neither a place nor a thread."""
    context = current_context()
    if context is None or context.client is None or scope["method"] not in SAFE_METHODS:
        return
    if (replicas := context.platform.replicas) is not None:
        context.replica = await replicas.choose(context.client)


_idle: list[ThreadPoolExecutor] = []
"""Threads between two requests; for the whole process, as Django itself is. They end with it."""


@asynccontextmanager
async def _worker() -> AsyncIterator[None]:
    """Have Django's synchronous code run on one thread of ours meanwhile."""
    worker = _idle.pop() if _idle else ThreadPoolExecutor(1, thread_name_prefix="django")
    try:
        async with ThreadSensitiveContext(executor=worker):
            yield
    finally:
        _idle.append(worker)


async def _read_body(receive: Receive) -> list[Message]:
    """The messages of a request's body, whose size the root has bounded."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _replay(messages: list[Message], receive: Receive) -> Receive:
    waiting = iter(messages)

    async def replay() -> Message:
        message = next(waiting, None)
        return await receive() if message is None else message

    return replay


def _limiter(platform: Platform) -> CapacityLimiter:
    """The turns that other rooms take too, where the roof brought both together."""
    if isinstance(platform.django, ThreadedTransactions):
        return platform.django.limiter
    return CapacityLimiter(platform.settings.django_threads)


def mount_urls(platform: Platform) -> Sequence[MountedApp]:
    """A mount for each URLconf that the settings name, in the same Django as the admin, which is
    mounted first. The longest prefix comes first, so that the closer one wins."""
    from django.core.asgi import get_asgi_application

    settings, limiter = platform.settings, _limiter(platform)
    app: Any = get_asgi_application() if settings.django_urls else None
    return [
        MountedApp(
            name=prefix.strip("/").replace("/", "-"),
            prefix=prefix,
            app=BoundedApp(app, limiter, prefix),
            policy=parse_policy(settings.mount_policies.get(prefix, "its-own")),
            commits_on=settings.mount_commits_on.get(prefix, NOTHING),
            body_limit_bytes=settings.mount_body_limits.get(prefix),
            lifespan=False,
            list_routes=partial(_list_routes_below, prefix, platform),
            links=_links_of(prefix),
        )
        for prefix in sorted(settings.django_urls, key=len, reverse=True)
    ]


def list_routes() -> Sequence[RouteInfo]:
    """Every URL of the admin, for ``trivet routes``."""
    from django.urls import get_resolver

    from trivet_admin.outcomes import outcomes_of_view

    return [
        RouteInfo("GET, POST", path, name, words_of(name, view), commits_on=outcomes_of_view(view))
        for path, name, view in _patterns(get_resolver(), "/")
        if is_of_admin(path)
    ]


def _list_routes_below(prefix: str, platform: Platform) -> Sequence[RouteInfo]:
    from django.urls import get_resolver

    from trivet_admin.outcomes import outcomes_of_view

    settings = platform.settings
    policy = parse_policy(settings.mount_policies.get(prefix, "its-own"))
    kept = settings.mount_commits_on.get(prefix, NOTHING)
    return [
        RouteInfo("*", path, name, policy.words, (policy,), kept | outcomes_of_view(view))
        for path, name, view in _patterns(get_resolver(), "/")
        if path.startswith(f"{prefix}/")
    ]


def _links_of(prefix: str) -> Sequence[PageLink]:
    """The page at the prefix, if the URLconf has one."""
    from django.urls import Resolver404, resolve

    try:
        resolve(f"{prefix}/")
    except Resolver404:
        return ()
    return [PageLink(prefix.strip("/").capitalize(), "/")]


def _patterns(resolver: Any, prefix: str, namespace: str = "") -> Iterator[tuple[str, str, Any]]:
    for entry in resolver.url_patterns:
        path = prefix + path_in_words(entry.pattern)
        if hasattr(entry, "url_patterns"):
            inner = f"{entry.namespace}:" if entry.namespace else namespace
            yield from _patterns(entry, path, inner)
        else:
            yield path, namespace + entry.name if entry.name else "", entry.callback


def path_in_words(pattern: Any) -> str:
    """A pattern as ``path()`` would have it, also where ``re_path()`` wrote it."""
    from django.contrib.admindocs.views import simplify_regex
    from django.urls.resolvers import RegexPattern

    text = str(pattern)
    if not isinstance(pattern, RegexPattern):
        return text
    path: str = re.sub(r"\\(.)", r"\1", simplify_regex(text))
    return path if text.lstrip("^").startswith("/") else path.removeprefix("/")


PATIENCE_SECONDS = PROBE_SECONDS * 0.75
"""The wait of a probe for a connection: shorter than that of whoever asks, to say the reason."""


async def find_pending() -> str:
    """The reason why the admin is not ready, in a sentence; empty when it is migrated.

    Raises what refused a connection to the database, or TimeoutError if nothing did.
    """
    began = monotonic()
    try:
        # The caller does not wait for a database that is away; the thread may.
        with django_allowed(), anyio.fail_after(PATIENCE_SECONDS):
            return await anyio.to_thread.run_sync(_find_pending, abandon_on_cancel=True)
    except TimeoutError:
        if (failure := _find_connect_failure(began - POOL_RECONNECT_SECONDS)) is None:
            raise
        raise failure from None


def _find_connect_failure(since: float) -> Exception | None:
    from django.db import connection

    wrapper: Any = connection
    failure: Exception | None = wrapper.find_connect_failure(since)
    return failure


def _find_pending() -> str:
    from django.db import connection, connections
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connection)
        waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    finally:
        connections.close_all()
    return "run 'trivet migrate'" if waiting else ""
