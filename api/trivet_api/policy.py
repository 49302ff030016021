"""Policies: who may call a route. Each route has one, and says it where it is defined."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts

from trivet.asgi.mount import RouteInfo
from trivet.context import context_of
from trivet.errors import ConfigurationError
from trivet.identity import policy
from trivet.identity.policy import Policy
from trivet_api.direct import DirectAnswer, is_plain


class RoutePolicy(Policy):
    """A policy as a FastAPI dependency, of which a `PolicyRoute` needs only the name. It is
    asked before the body is validated, so that nobody learns the shape of what they may not
    call."""

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


class PolicyRoute(APIRoute):
    """A route that asks its policies itself, before FastAPI reads anything of the request, and
    answers directly if it is plain.

    As dependencies the policies would be solved again for every request (docs/performance.md
    says what that costs).
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        dependencies: Sequence[Dependency] | None = None,
        **options: Any,
    ) -> None:
        given = dependencies or ()
        self.policies = [d.dependency for d in given if isinstance(d.dependency, RoutePolicy)]
        others = [d for d in given if not isinstance(d.dependency, RoutePolicy)]
        super().__init__(path, endpoint, dependencies=others, **options)
        if is_plain(self):
            self.app = DirectAnswer(self, [each.check for each in self.policies], self.app)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, checks = super().get_route_handler(), [each.check for each in self.policies]

        async def check_and_handle(request: Request) -> Response:
            identity = context_of(request.scope).identity
            for check in checks:
                check(identity)
            return await handle(request)

        return check_and_handle


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
    found = [getattr(dependency, "dependency", None) for dependency in dependencies]
    asked = getattr(context.original_route, "policies", ())
    return [each.words for each in (*found, *asked) if isinstance(each, Policy)]
