"""The pages of a feature, which its ``web.py`` declares.

    from trivet.web import files, page, public, requires

    routes = [
        page("/", airports, policy=public),
        page("/desk", desk, policy=requires("departures.change_flight")),
        files("/static", Path(__file__).parent / "static", policy=public),
    ]

Each has a policy; without one the application does not start. They are served below the
feature's name, and the first one that matches answers. The start page of the site lists the page
at ``/`` of each feature, with the first line of the package's docstring. No feature can take the
``/`` of the site itself; the setting `home` sends its visitors to another page.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.mount import RouteInfo
from trivet.asgi.problem import refuse
from trivet.asgi.static_files import HashedStaticFiles
from trivet.context import context_of
from trivet.errors import ConfigurationError, TrivetError
from trivet.identity.policy import Policy, authenticated, public, requires, staff
from trivet.outcome import NOTHING, commits_on, declared_by

__all__ = ["authenticated", "commits_on", "files", "page", "public", "requires", "staff"]

_POLICY = "trivet_policy"
_FOLDER = "trivet_folder"


def page(
    path: str,
    endpoint: Any,
    *,
    policy: Policy,
    methods: Sequence[str] = ("GET",),
    name: str | None = None,
) -> Route:
    """A page.

    Args:
        path: The path below the feature's name, as Starlette writes it (``/gates/{gate}``).
        endpoint: Starlette's endpoint, a function of a request that returns a response.
        policy: The condition under which a visitor may open the page.
        methods: The HTTP methods that it answers.
        name: The route's name, for links; the endpoint's by default.

    Returns:
        The route, for the list ``routes``.

    Raises:
        TypeError: `policy` is no policy.
    """
    route = Route(path, endpoint, methods=list(methods), name=name)
    _cover(route, policy, declared_by(endpoint))
    return route


def files(path: str, directory: Path, *, policy: Policy, name: str | None = None) -> Mount:
    """The files of a folder and its subfolders.

    Args:
        path: The path below the feature's name.
        directory: The folder.
        policy: The condition under which a visitor may read the files.
        name: The route's name, for links; by default `path` without its slashes.

    Returns:
        The route, for the list ``routes``.

    Raises:
        TypeError: `policy` is no policy.
    """
    folder = HashedStaticFiles(directory=directory, is_public=policy is public)
    mount = Mount(path, folder, name=name or path.strip("/"))
    _cover(mount, policy)
    setattr(mount, _FOLDER, directory)
    return mount


def policy_of(route: BaseRoute) -> Policy:
    """The policy of a page that `page` or `files` made."""
    policy: Policy = getattr(route, _POLICY)
    return policy


def folder_of(route: BaseRoute) -> Path | None:
    """The folder that `files` shows; None for every other route."""
    folder: Path | None = getattr(route, _FOLDER, None)
    return folder


def list_pages(feature: str, routes: Sequence[BaseRoute]) -> Sequence[RouteInfo]:
    """Every page of a feature with its policy, for ``trivet routes``.

    Raises ConfigurationError, naming all of them, for routes that have none.
    """
    bare = [str(getattr(r, "path", r)) for r in routes if not hasattr(r, _POLICY)]
    if bare:
        raise ConfigurationError(
            "no-policy",
            f"These pages of {feature} do not say who may see them: {', '.join(bare)}. Make "
            "them with trivet.web: page(path, endpoint, policy=public), or files(…).",
        )
    return list(_describe(feature, routes))


def _describe(feature: str, routes: Sequence[BaseRoute]) -> Iterator[RouteInfo]:
    for route in routes:
        policy = policy_of(route)
        if isinstance(route, Route):
            methods = ",".join(sorted((route.methods or {"GET"}) - {"HEAD"}))
            path, name, outcomes = route.path, route.name, declared_by(route.endpoint)
        elif isinstance(route, Mount):
            methods, path, name, outcomes = "GET", f"{route.path}/*", route.name or "", NOTHING
        else:
            continue
        yield RouteInfo(methods, f"/{feature}{path}", name, policy.words, (policy,), outcomes)


def _cover(route: Route | Mount, policy: Policy, commits_on: frozenset[int] = NOTHING) -> None:
    """Have the app of `route` asked only when the policy agrees."""
    if not isinstance(policy, Policy):
        raise TypeError(f"a policy is one of trivet.web, not {policy!r}")
    route.app = _Checked(route.app, policy, commits_on)
    setattr(route, _POLICY, policy)


class _Checked:
    def __init__(self, app: ASGIApp, policy: Policy, commits_on: frozenset[int]) -> None:
        self.app = app
        self.policy = policy
        self.commits_on = commits_on

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        try:
            self.policy.check(context.identity)
        except TrivetError as error:
            await refuse(scope, receive, send, error)
            return
        context.commits_on |= self.commits_on
        await self.app(scope, receive, send)
