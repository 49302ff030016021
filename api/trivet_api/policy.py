"""Policies: who may call a route. Each route has one, and says it where it is defined."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.routing import RouteContext, iter_route_contexts

from trivet.context import context_of
from trivet.errors import ConfigurationError
from trivet.identity import Identity, require_authenticated, require_permission
from trivet.mounts import RouteInfo


@dataclass(frozen=True)
class Policy:
    """A check of the identity, with the words for ``trivet routes``.

    Called as a FastAPI dependency before the body is validated, so that nobody learns the
    shape of what they may not call.
    """

    words: str
    check: Callable[[Identity], None]

    async def __call__(self, request: Request) -> None:
        self.check(context_of(request.scope).identity)


def _anyone(_identity: Identity) -> None: ...


PUBLIC = "public"

public: Any = Depends(Policy(PUBLIC, _anyone))
"""Anyone may call this route."""

authenticated: Any = Depends(Policy("authenticated", require_authenticated))
"""Anyone who is known may call this route; 401 otherwise."""


def requires(permission: str) -> Any:
    """Only who holds `permission` (``app.codename``) may call this route: 401 for nobody,
    403 for somebody without it."""
    return Depends(Policy(permission, lambda identity: require_permission(identity, permission)))


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
            "dependencies=[public], [authenticated] or [requires('app.permission')].",
        )
    return routes


def policies_of(context: RouteContext) -> list[str]:
    """The words of each policy of a route: ``public``, ``authenticated`` or a permission."""
    dependencies: Sequence[Any] = getattr(context, "dependencies", ())
    found = (getattr(dependency, "dependency", None) for dependency in dependencies)
    return [policy.words for policy in found if isinstance(policy, Policy)]
