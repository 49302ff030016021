"""How a feature's router gets into the API.

FastAPI keeps an included router as a router, and matches every request in both, twice in the
inner one. What is FastAPI's own through and through (an `APIRouter` of nothing but `APIRoute`, and
of such routers) is laid flat instead: the same routes, directly in the app. Everything that
somebody made differently stays as FastAPI has it: a route class of one's own, a router class, a
mount, limits for forms. Either way the policies are asked before anything of the feature runs.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from trivet import outcome
from trivet.asgi.mount import RouteInfo
from trivet.context import context_of
from trivet.errors import ConfigurationError
from trivet_api.idempotency import key_rule_of, take_key
from trivet_api.policy import PolicyRoute, enter, policies_among, policies_of
from trivet_api.proof import is_proved


def include(app: FastAPI, router: APIRouter, **options: Any) -> None:
    """`app.include_router`, faster where that changes nothing.

    On a release of FastAPI that `trivet_api.proof` does not know it is that and nothing more: the
    policies are asked as dependencies.
    """
    app.include_router(router, **options)
    if not is_proved():
        return
    included: Any = app.router.routes.pop()
    if _is_ordinary(router):
        _lay_flat(app, included)
    else:
        app.router.routes.append(_policed(included))


def _is_ordinary(router: APIRouter) -> bool:
    """Whether FastAPI does nothing for this router that it would not do for its routes alone."""
    return (
        type(router) is APIRouter
        and not router.form_limits
        and not router._low_priority_routes  # noqa: SLF001  # what `router.frontend()` adds; no other way tells
        and all(map(_is_ordinary_route, router.routes))
    )


def _is_ordinary_route(route: Any) -> bool:
    """Whether a route is one of FastAPI's own, or a router of them within the router."""
    inner = getattr(route, "original_router", None)
    return type(route) is APIRoute if inner is None else _is_ordinary(inner)


def _lay_flat(app: FastAPI, included: Any) -> None:
    for context in iter_route_contexts([included]):
        route = {name: getattr(context, name) for name in ROUTE_OPTIONS}
        limits = getattr(context.original_route, "form_limits", None)
        app.router.add_api_route(**route, form_limits=limits, route_class_override=PolicyRoute)


ROUTE_OPTIONS = set(inspect.signature(APIRouter.add_api_route).parameters) - {
    "self",
    "form_limits",
    "route_class_override",
}
"""The arguments of a route, in FastAPI's own words. Where it lies in routers, its effective context
has all of these as attributes; form limits stay with the route itself."""


def _policed(included: Any) -> Any:
    """FastAPI's included router, which asks the policies of a route before the route.

    As dependencies alone they would be asked by FastAPI's handler, which a class of somebody's own
    may wrap, or never call (a cached answer).
    """
    from fastapi.routing import _IncludedRouter

    class PolicedRouter(_IncludedRouter):
        async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
            context = _find_route(self, scope)
            if context is not None:
                path = context.path
                context_of(scope).route = path or ""
                enter(scope, policies_of(context), outcome.declared_by(context.endpoint))
                kept, receive = await take_key(scope, receive, key_rule_of(context))
                if kept is not None:
                    await kept(scope, receive, send)
                    return
            await super().handle(scope, receive, send)

    return PolicedRouter(included.original_router, included.include_context)


def _find_route(included: Any, scope: Scope) -> RouteContext | None:
    """The route that FastAPI is about to choose; None where it will refuse the method."""
    while True:
        match, _, route, effective = included._match(scope)  # noqa: SLF001  # its own choice, so that ours is no other
        if match is not Match.FULL:
            return None
        if not hasattr(route, "effective_candidates"):
            return None if effective is None else RouteContext(effective.original_route, effective)
        included = route


def list_frontends(app: FastAPI, prefix: str) -> Iterator[RouteInfo]:
    """The folders that `router.frontend()` serves, which FastAPI lists nowhere.

    Raises ConfigurationError for one without a policy: give it to `include_router`'s or the
    router's `dependencies`.
    """
    for each in _frontends(app):
        policies = policies_among(each.dependencies)
        folders = getattr(each, "original_route", each).routes
        for folder in folders:
            path = f"{prefix}{getattr(each, 'frontend_prefix', '')}{folder.path.rstrip('/')}/*"
            if not policies:
                raise ConfigurationError(
                    "no-policy",
                    f"The files at {path} do not say who may see them. Give their router "
                    "APIRouter(dependencies=[public]), or another policy.",
                )
            words = " + ".join(policy.words for policy in policies)
            yield RouteInfo("GET", path, "frontend", words, policies=tuple(policies))


def _frontends(app: FastAPI) -> Iterator[Any]:
    # Not on every release, and FastAPI lists them nowhere else.
    find: Any = getattr(app.router, "_iter_low_priority_routes", tuple)
    return iter(find())
