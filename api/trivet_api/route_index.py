"""Routes found by the first segments of a path.

Starlette tries one route after the other, so that a request pays for every route of every feature
before its own. Here the routes are sorted, once, by the literal segments with which their paths
begin (at most two: the feature and what it serves); a request tries those that can be meant, in
the same order, and where none takes it, asks the router as before: for 404, 405 and redirects.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from fastapi import APIRouter
from starlette._utils import get_route_path
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from trivet_api.policy import PolicyRoute

_DEPTH = 2
_Key = tuple[str, ...]
_ANY = ""
"""No method."""


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
        self._by_key: dict[_Key, Mapping[str, Sequence[BaseRoute]]] = {}

    def find(self, scope: Scope) -> Found | None:
        """The first route that takes the path and the method of a request."""
        path = get_route_path(scope)
        for route in self._candidates(path, scope["method"]):
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

    def _candidates(self, path: str, method: str) -> Sequence[BaseRoute]:
        if self._known != len(self._router.routes):
            self._sort()
        segments = path.split("/", _DEPTH + 1)[1 : _DEPTH + 1]
        size = len(segments)
        while (known := self._by_key.get(tuple(segments[:size]))) is None:
            size -= 1  # at the latest those without a literal beginning are known
        return known.get(method) or known[_ANY]

    def _sort(self) -> None:
        keyed = [(_key_of(route), route) for route in self._router.routes]
        self._known = len(keyed)
        prefixes = {key[:size] for key, _ in keyed for size in range(len(key) + 1)} | {()}
        self._by_key = {each: _by_method(_fitting(each, keyed)) for each in prefixes}


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


def _by_method(routes: Sequence[BaseRoute]) -> Mapping[str, Sequence[BaseRoute]]:
    """Those of `routes` that take each method; by `_ANY` all of them."""
    methods = {each for route in routes for each in _methods_of(route) or ()}
    taking = {
        method: [each for each in routes if method in (_methods_of(each) or methods)]
        for method in methods
    }
    return {**taking, _ANY: routes}


def _methods_of(route: BaseRoute) -> Collection[str] | None:
    """The methods that `route` takes; None if nobody can tell."""
    return route.methods if type(route) is PolicyRoute else None


def _key_of(route: BaseRoute) -> _Key:
    """The literal segments with which the path of `route` begins; none where nobody can tell."""
    if type(route) is not PolicyRoute:
        return ()
    segments = route.path_format.split("/")[1:]
    literal = next((at for at, each in enumerate(segments) if "{" in each), len(segments))
    return tuple(segments[:literal][:_DEPTH])
