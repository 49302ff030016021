"""Policies in the API: each route has one, and asks it before anything of the request is read."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.types import Scope

from trivet import outcome
from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.mount import RouteInfo
from trivet.context import RequestContext, context_of
from trivet.errors import ConfigurationError
from trivet.identity.policy import Policy
from trivet_api.body_times import judge_of
from trivet_api.idempotency import (
    REFUSES,
    REQUIRES,
    TAKES,
    KeyRule,
    key_rule_among,
    key_rule_of,
    take_key,
)
from trivet_api.json_body import JsonRequest
from trivet_api.proof import is_proved
from trivet_api.unawaitable import require_awaitable


class PolicyRoute(APIRoute):
    """A route that asks its policies itself, before FastAPI reads anything of the request.

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
        self.policies = policies_among(given)
        self.key_rule = key_rule_among(given) or TAKES
        others = [each for each in given if not isinstance(each.dependency, Policy | KeyRule)]
        super().__init__(path, endpoint, dependencies=others, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        policies, commits_on = self.policies, outcome.declared_by(self.endpoint)
        self.check_query = check_query = _query_check(self.dependant)
        field = self.body_field
        self.judge = judge = None if field is None else judge_of(field.field_info.annotation)
        self.key_rule = rule = key_rule_of(self, self.key_rule)

        async def check_and_handle(request: Request) -> Response:
            context = enter(request.scope, policies, commits_on)
            check_query(request.scope)
            receive = request.receive
            if context.claim is not None or rule is REQUIRES:
                kept, receive = await take_key(request.scope, receive, rule)
                if kept is not None:
                    return kept
            return await handle(JsonRequest(request.scope, receive, judge))

        return check_and_handle


def _query_check(dependant: Any) -> Callable[[Scope], None]:
    """The function that judges a route's query strings. On a release of FastAPI that was not proved
    it does nothing, because it reads what FastAPI does not document."""
    if not is_proved():
        return lambda _scope: None
    from trivet_api.query import QueryReader

    return QueryReader(dependant).check


def enter(scope: Scope, policies: Iterable[Policy], commits_on: frozenset[int]) -> RequestContext:
    """Let a request into a route: its policies agree, and its outcome is declared."""
    context = context_of(scope)
    for policy in policies:
        policy.check(context.identity)
    context.commits_on |= commits_on
    return context


def policies_among(dependencies: Iterable[Any]) -> list[Policy]:
    """The policies in a `dependencies=[…]`, in their order."""
    found = (getattr(each, "dependency", None) for each in dependencies)
    return [each for each in found if isinstance(each, Policy)]


def policies_of(context: RouteContext) -> list[Policy]:
    """The policies of a route as it lies in the API, those of its routers first."""
    given = policies_among(getattr(context, "dependencies", ()))
    return [*given, *getattr(context.original_route, "policies", ())]


def list_routes(app: FastAPI, prefix: str) -> Sequence[RouteInfo]:
    """Every route of `app` with its policies, under `prefix`.

    Raises ConfigurationError, naming all of them, if routes have no policy.
    """
    routes = [_describe(context, prefix) for context in iter_route_contexts(app.routes)]
    bare = [f"{route.methods} {route.path}" for route in routes if not route.policies]
    if bare:
        raise ConfigurationError(
            "no-policy",
            f"These routes do not say who may call them: {'; '.join(bare)}. Give each "
            "dependencies=[public], [authenticated], [staff] or [requires('app.permission')].",
        )
    return routes


def _describe(context: RouteContext, prefix: str) -> RouteInfo:
    policies = policies_of(context)
    dependant = getattr(context, "dependant", None)
    if dependant is not None:
        require_awaitable(prefix + (context.path or ""), dependant)
    return RouteInfo(
        methods=",".join(sorted(context.methods or ())),
        path=prefix + (context.path or ""),
        name=context.name or "",
        policy=" + ".join(policy.words for policy in policies),
        policies=tuple(policies),
        commits_on=outcome.declared_by(context.endpoint),
        idempotency_key=_word_of_key(context),
    )


def _word_of_key(context: RouteContext) -> str:
    """Whether a route takes a key, as ``trivet routes`` has it; a safe method ignores keys."""
    if SAFE_METHODS.issuperset(context.methods or ()):
        return ""
    return {TAKES: "takes", REQUIRES: "requires", REFUSES: "refuses"}[key_rule_of(context)]
