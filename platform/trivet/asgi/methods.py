"""Which methods a path answers: complete in ``Allow``, and told to whoever asks by OPTIONS.

Starlette takes the first route whose path fits and names that route's methods alone in its 405,
although the next one may have the same path and another method (RFC 9110, 10.2.1 and 15.5.6).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.asgi.problem import http_problem

_ORDER = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The order in which methods are written; others follow by the alphabet."""

ListRoutes = Callable[[], Sequence[BaseRoute]]


def list_methods(routes: Sequence[BaseRoute], scope: Scope) -> set[str]:
    """The methods by which one of `routes` answers the path of `scope`; empty if none has it.

    HEAD is there wherever GET is, and OPTIONS wherever anything is.
    """
    asked = {*_ORDER, *(m for r in routes for m in getattr(r, "methods", None) or ())}
    found = {method for method in asked if is_answered(routes, scope, method)}
    if "GET" in found:
        found.add("HEAD")
    return found | {"OPTIONS"} if found else found


def is_answered(routes: Iterable[BaseRoute], scope: Scope, method: str) -> bool:
    """Whether one of `routes` answers the path of `scope` by `method`."""
    asked = {**scope, "method": method}
    return any(route.matches(asked)[0] is Match.FULL for route in routes)


def write_allow(methods: Iterable[str]) -> str:
    """The value of an ``Allow`` header."""
    given = set(methods)
    known = [method for method in _ORDER if method in given]
    return ", ".join([*known, *sorted(given.difference(_ORDER))])


class OptionsAnswered:
    """`app`, whose `routes` are told to whoever asks for them by OPTIONS.

    A route that answers OPTIONS itself does so.
    """

    def __init__(self, app: ASGIApp, routes: ListRoutes) -> None:
        self.app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            routes = self._routes()
            if not is_answered(routes, scope, "OPTIONS") and (
                methods := list_methods(routes, scope)
            ):
                await options_response(methods)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def options_response(methods: Iterable[str]) -> Response:
    """The answer to OPTIONS."""
    return Response(status_code=204, headers={"allow": write_allow(methods)})


def http_problem_of(
    routes: ListRoutes,
) -> Callable[[Request, Exception], Awaitable[Response]]:
    """`http_problem`, with an ``Allow`` that names every method of `routes` for the path."""

    async def render(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            # Inside of a mount the path has another meaning, and what is there knows its own.
            given: Any = {k.lower(): v for k, v in (error.headers or {}).items()}
            found = list_methods(routes(), request.scope)
            named = {m.strip() for m in given.pop("allow", "").split(",") if m.strip()}
            headers = {**given, "allow": write_allow(found | named | {"OPTIONS"})}
            error = HTTPException(error.status_code, error.detail, headers)
        return http_problem(request, error)

    return render
