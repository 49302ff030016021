"""Applications of other frameworks, mounted under a prefix as the settings say.

A team moves in with what it has: a Flask application, a Quart service. Each runs unchanged behind
the same middleware stack, so that it meets the same identity in `scope["user"]` (WSGI:
`environ["asgi.scope"]["user"]`), the same limits and the same log. What a framework needs beyond
that to live under a prefix is here, one function each, chosen by the package that the object's
class comes from; nothing is imported that is not already there.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from operator import attrgetter
from typing import Any

from starlette.types import ASGIApp

from trivet.asgi.mount import MountedApp, PageLink, RouteInfo
from trivet.errors import ConfigurationError
from trivet.identity.policy import parse_policy
from trivet.outcome import NOTHING
from trivet_deploy.mounts.prefix import PrefixStripped, ScopeOfItsOwn
from trivet_deploy.mounts.raised import ErrorsRaised
from trivet_deploy.mounts.wsgi import WsgiApplication
from trivet_settings import Settings

WSGI_THREADS = 8
"""Bound of concurrent requests in one WSGI application, a thread each."""


def mount_extras(settings: Settings) -> tuple[MountedApp, ...]:
    """The mounts that `extra_mounts` names, longest prefix first so that the closer one wins.

    Raises ConfigurationError when a target cannot be imported, with the target and the reason,
    and for a policy or an outcome of a mount that is not there, which would mean nothing.
    """
    _require_mounted("TRIVET_MOUNT_POLICIES", settings.mount_policies, settings)
    _require_mounted("TRIVET_MOUNT_COMMITS_ON", settings.mount_commits_on, settings)
    _require_mounted("TRIVET_MOUNT_BODY_LIMITS", settings.mount_body_limits, settings)
    prefixes = sorted(settings.extra_mounts, key=len, reverse=True)
    return tuple(_mount(prefix, settings.extra_mounts[prefix], settings) for prefix in prefixes)


def _require_mounted(variable: str, named: Iterable[str], settings: Settings) -> None:
    mounted = {*settings.extra_mounts, *settings.django_urls}
    if unknown := sorted(set(named) - mounted):
        raise ConfigurationError(
            "mount-policy",
            f"{variable} names {', '.join(unknown)}, which TRIVET_EXTRA_MOUNTS does "
            "not mount. Write the prefix in both alike, there or in TRIVET_DJANGO_URLS.",
        )


def _mount(prefix: str, target: str, settings: Settings) -> MountedApp:
    interface, _, location = target.partition(":")
    app, is_asgi = _import(location, prefix), interface == "asgi"
    _require_interface(app, interface, prefix, location)
    policy = parse_policy(settings.mount_policies.get(prefix, "its-own"))
    outcomes = settings.mount_commits_on.get(prefix, NOTHING)
    return MountedApp(
        name=prefix.strip("/").replace("/", "-"),
        prefix=prefix,
        app=_adapt(app, prefix, settings) if is_asgi else WsgiApplication(app, WSGI_THREADS),
        websocket=is_asgi,
        body_limit_bytes=settings.mount_body_limits.get(prefix),
        # What an ASGI application does with a body, nobody here can know.
        streams_bodies=not is_asgi,
        policy=policy,
        commits_on=outcomes,
        links=[PageLink(prefix.strip("/").capitalize(), "/")],
        # There is no way to ask an application of any framework for its routes.
        list_routes=lambda: [
            RouteInfo("*", f"{prefix}/*", location, policy.words, (policy,), outcomes)
        ],
    )


def _import(location: str, prefix: str) -> Any:
    module_name, _, attribute = location.partition(":")
    with _root_logger_kept():
        try:
            app = attrgetter(attribute)(import_module(module_name))
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                "extra-mount",
                f"{prefix} of TRIVET_EXTRA_MOUNTS cannot be mounted: {error}. Check that "
                f"'{location}' is importable from here and names the application.",
            ) from error
    if not callable(app):
        raise ConfigurationError(
            "extra-mount",
            f"{prefix} of TRIVET_EXTRA_MOUNTS cannot be mounted: '{location}' is no application, "
            f"it cannot be called.",
        )
    return app


_TAKEN = {"asgi": 3, "wsgi": 2}
"""How many arguments an application is called with: scope, receive and send (ASGI 3.0), or the
environment and start_response (PEP 3333)."""


def _require_interface(app: Any, interface: str, prefix: str, location: str) -> None:
    """Raise for what cannot be called as `interface` says: each of its requests would be a 500."""
    # A class may be an application of WSGI, whose instances are the answers; none is of ASGI.
    possible = ("wsgi",) if isinstance(app, type) else ("asgi", "wsgi")
    fitting = [name for name in possible if _takes(app, _TAKEN[name])]
    if interface in fitting:
        return
    is_known = bool(fitting) and not isinstance(app, type)
    cure = (
        f"Write {fitting[0]}:{location}." if is_known else "Name the application, and no factory."
    )
    raise ConfigurationError(
        "extra-mount",
        f"{prefix} of TRIVET_EXTRA_MOUNTS cannot be mounted: '{location}' is no application of "
        f"{interface.upper()}, which takes {_TAKEN[interface]} arguments. {cure}",
    )


def _takes(app: Any, count: int) -> bool:
    try:
        signature(app).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # of what is not written in Python, nobody knows it
        return True
    return True


@contextmanager
def _root_logger_kept() -> Iterator[None]:
    # Litestar and BlackSheep put handlers on the root logger when an application is made, and
    # every line of ours would appear twice, the second time without our redaction.
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers


def _adapt(app: Any, prefix: str, settings: Settings) -> ASGIApp:
    # By the names of the class's ancestors, so that a subclass is recognised and a framework
    # that is not installed is not imported.
    packages = {ancestor.__module__.partition(".")[0] for ancestor in type(app).__mro__}
    for package, adapt in _ADAPTERS.items():
        if package in packages:
            app = adapt(app, settings.public_url + prefix)
    return ErrorsRaised(ScopeOfItsOwn(app))


def _adapt_sanic(app: Any, address: str) -> Any:
    # Sanic routes on raw_path and ignores root_path. Its request.url_for() takes the host, and
    # with it the prefix, from SERVER_NAME; app.url_for() never has a prefix.
    if not app.config.get("SERVER_NAME"):
        app.config.SERVER_NAME = address
    # Its loggers have handlers and hand on to the root's too, so that every line stands twice.
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("sanic"):
            logging.getLogger(name).handlers.clear()
    return PrefixStripped(app)


def _adapt_litestar(app: Any, address: str) -> Any:
    # The OpenAPI document lists the servers; "/" is Litestar's default and would be the house's.
    if app.openapi_config is not None:
        for server in app.openapi_config.servers:
            if server.url == "/":
                server.url = address
    return app


_ADAPTERS: dict[str, Callable[[Any, str], Any]] = {
    "sanic": _adapt_sanic,
    "litestar": _adapt_litestar,
}
