"""Policies: who may call a route. Each route has one, and says it where it is defined."""

from collections.abc import Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import RouteContext, iter_route_contexts

from trivet import policy
from trivet.context import context_of
from trivet.errors import ConfigurationError
from trivet.mounts import RouteInfo
from trivet.policy import Policy


class RoutePolicy(Policy):
    """A policy as a FastAPI dependency. It is asked before the body is validated, so that
    nobody learns the shape of what they may not call."""

    @classmethod
    def of(cls, policy: Policy) -> Any:
        return Depends(cls(policy.words, policy.check))

    async def __call__(self, request: Request) -> None:
        self.check(context_of(request.scope).identity)


PUBLIC = policy.public.words

public: Any = RoutePolicy.of(policy.public)
"""Anyone may call this route."""

authenticated: Any = RoutePolicy.of(policy.authenticated)
"""Anyone who is known may call this route; 401 otherwise."""

staff: Any = RoutePolicy.of(policy.staff)
"""Staff and superusers may call this route: 401 for nobody, 403 for anybody else."""


def requires(permission: str) -> Any:
    """Only who holds `permission` (``app.codename``) may call this route: 401 for nobody,
    403 for somebody without it."""
    return RoutePolicy.of(policy.requires(permission))


def list_routes(app: FastAPI, prefix: str) -> Sequence[RouteInfo]:
    """Every route of `app` with its policy, under `prefix`.

    Raises ConfigurationError, naming all of them, if routes have no policy.
    """
    routes = [
        RouteInfo(
            methods=",".join(sorted(context.methods or ())),
            path=prefix + (context.path or ""),
            name=context.name or "",
            policy=" + ".join(policies_of(context)),
        )
        for context in iter_route_contexts(app.routes)
    ]
    bare = [f"{route.methods} {route.path}" for route in routes if not route.policy]
    if bare:
        raise ConfigurationError(
            "no-policy",
            f"These routes do not say who may call them: {'; '.join(bare)}. Give each "
            "dependencies=[public], [authenticated], [staff] or [requires('app.permission')].",
        )
    return routes


def policies_of(context: RouteContext) -> list[str]:
    """The words of each policy of a route: ``public``, ``authenticated`` or a permission."""
    dependencies: Sequence[Any] = getattr(context, "dependencies", ())
    found = (getattr(dependency, "dependency", None) for dependency in dependencies)
    return [each.words for each in found if isinstance(each, Policy)]
