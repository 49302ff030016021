"""Routes found by the first segments of a path.

Starlette tries one route after the other, so that a request pays for every route of every feature
before its own. Here the routes are sorted, once, by the literal segments with which their paths
begin (at most two: the feature and what it serves); a request tries those that can be meant, in
the same order, and where none takes it, asks the router as before: for 404, 405 and redirects.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastapi import APIRouter
from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from trivet_api.policy import PolicyRoute

_DEPTH = 2
_Key = tuple[str, ...]


def index_routes(router: APIRouter) -> "RouteIndex":
    """Have `router` find its routes by an index, which is returned."""
    index = RouteIndex(router)
    router.middleware_stack = index
    return index


class Found(NamedTuple):
    """A route that takes a request, and what it adds to the request's scope."""

    route: BaseRoute
    scope: Scope


class RouteIndex:
    """The routes of `router`, for those requests that one of them takes whole.

    A route that is added later is found as well: then the index is made anew.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._known = -1
        self._by_key: dict[_Key, Sequence[BaseRoute]] = {}

    def find(self, scope: Scope) -> Found | None:
        """The first route that takes the path and the method of a request."""
        path = get_route_path(scope)
        for route in self._candidates(path):
            if type(route) is PolicyRoute:
                entered = _match(route, scope, path)
            else:
                match, entered = route.matches(scope)
                entered = entered if match is Match.FULL else None
            if entered is not None:
                return Found(route, entered)
        return None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request as the router does."""
        scope.setdefault("router", self._router)
        found = self.find(scope) if scope["type"] == "http" else None
        if found is None:
            await self._router.app(scope, receive, send)
            return
        scope.update(found.scope)
        await found.route.handle(scope, receive, send)

    def _candidates(self, path: str) -> Sequence[BaseRoute]:
        if self._known != len(self._router.routes):
            self._sort()
        segments = path.split("/", _DEPTH + 1)[1 : _DEPTH + 1]
        for size in range(len(segments), 0, -1):
            known = self._by_key.get(tuple(segments[:size]))
            if known is not None:
                return known
        return self._by_key[()]

    def _sort(self) -> None:
        keyed = [(_key_of(route), route) for route in self._router.routes]
        self._known = len(keyed)
        prefixes = {key[:size] for key, _ in keyed for size in range(len(key) + 1)} | {()}
        self._by_key = {each: _fitting(each, keyed) for each in prefixes}


def _match(route: PolicyRoute, scope: Scope, path: str) -> Scope | None:
    """What `route.matches` adds to the scope, if it takes all of the request: the same steps
    without those for what no route of ours is, one of a router that was not laid flat."""
    matched = route.path_regex.match(path)
    if matched is None or (route.methods and scope["method"] not in route.methods):
        return None
    found = matched.groupdict()
    for name, text in found.items():
        found[name] = route.param_convertors[name].convert(text)
    params = {**scope.get("path_params", {}), **found}
    return {"endpoint": route.endpoint, "path_params": params, "route": route}


def _fitting(prefix: _Key, keyed: Iterable[tuple[_Key, BaseRoute]]) -> Sequence[BaseRoute]:
    """The routes that a path can mean of whose first segments the index knows `prefix` alone."""
    return [route for key, route in keyed if prefix[: len(key)] == key]


def _key_of(route: BaseRoute) -> _Key:
    """The literal segments with which the path of `route` begins; none where nobody can tell."""
    if type(route) is not PolicyRoute:
        return ()
    segments = route.path_format.split("/")[1:]
    literal = next((at for at, each in enumerate(segments) if "{" in each), len(segments))
    return tuple(segments[:literal][:_DEPTH])
