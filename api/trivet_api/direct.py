"""Plain routes, answered directly.

For every request FastAPI solves a tree of dependencies that may clean up, yield or override
each other, beside background tasks, streams and telemetry. Most routes have none of that. For
those this reads the parameters, runs the endpoint and serializes what it returns, with the
fields and functions that FastAPI itself uses, and nothing around them.

Whatever is not plain stays FastAPI's: a route with a body, a header or a cookie among its
parameters, or with a dependency on more than the request; and of a plain route the requests
whose parameters are not valid. docs/decisions/0023 says what this is worth.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import EndpointContext, ResponseValidationError
from fastapi.routing import APIRoute
from fastapi.utils import is_body_allowed_for_status_code
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.context import context_of
from trivet.identity import Identity

_JSON = (b"content-type", b"application/json")
_OPTIONS = ("include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none")
"""What a route may say about its response model, as FastAPI names it."""


def is_plain(route: APIRoute) -> bool:
    """Whether `DirectAnswer` does all that FastAPI would do for `route`."""
    return (
        route.response_field is not None
        and isinstance(route.response_class, DefaultPlaceholder)
        and not route.is_sse_stream
        and not route.is_json_stream
        and route.max_body_size is None
        and is_body_allowed_for_status_code(route.status_code)
        and _reads_address_only(route.dependant)
        and _are_leaves(route.dependant.dependencies)
    )


def _reads_address_only(dependant: Dependant) -> bool:
    """A coroutine of nothing but the path, the query and the request."""
    return iscoroutinefunction(dependant.call) and not (
        dependant.header_params
        or dependant.cookie_params
        or dependant.body_params
        or dependant.http_connection_param_name
        or dependant.websocket_param_name
        or dependant.background_tasks_param_name
        or dependant.response_param_name
        or dependant.security_scopes_param_name
        or dependant.own_oauth_scopes
        or dependant.concurrency
    )


def _are_leaves(dependants: Sequence[Dependant]) -> bool:
    """Dependencies on the request alone, none of them twice, so that nothing is to be shared."""
    return len({each.call for each in dependants}) == len(dependants) and all(
        _reads_address_only(each)
        and not (each.path_params or each.query_params or each.dependencies)
        for each in dependants
    )


class DirectAnswer:
    """Answers a plain `route` once every one of `checks` has let the identity pass.

    `otherwise` is FastAPI's own app of the route, for what is not valid, which it then says in
    its own words, and for an application whose dependencies are overridden.
    """

    def __init__(
        self,
        route: APIRoute,
        checks: Iterable[Callable[[Identity], None]],
        otherwise: ASGIApp,
    ) -> None:
        self.route = route
        self.checks = tuple(checks)
        self.otherwise = otherwise
        self.status = route.status_code or 200
        self.options = {name: getattr(route, f"response_model_{name}") for name in _OPTIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = context_of(scope).identity
        for check in self.checks:
            check(identity)
        arguments = self._read(scope)
        if arguments is None:
            await self.otherwise(scope, receive, send)
            return
        await self._solve(arguments, scope, receive, send)
        result = await self.route.endpoint(**arguments)
        if isinstance(result, Response):
            await result(scope, receive, send)
            return
        body = self._serialize(result)
        headers = [(b"content-length", b"%d" % len(body)), _JSON]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _read(self, scope: Scope) -> dict[str, Any] | None:
        """The arguments in the path and the query; None if this request is for FastAPI."""
        if getattr(self.route.dependency_overrides_provider, "dependency_overrides", None):
            return None
        wanted = self.route.dependant
        arguments, errors = request_params_to_args(wanted.path_params, scope["path_params"])
        if wanted.query_params and not errors:
            query = QueryParams(scope["query_string"])
            more, errors = request_params_to_args(wanted.query_params, query)
            arguments |= more
        return None if errors else arguments

    async def _solve(
        self, arguments: dict[str, Any], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Add to `arguments` the request and what the dependencies make of it."""
        wanted = self.route.dependant
        if not (wanted.dependencies or wanted.request_param_name):
            return
        request = Request(scope, receive, send)
        if wanted.request_param_name:
            arguments[wanted.request_param_name] = request
        for each in wanted.dependencies:
            assert each.call is not None
            given = {each.request_param_name: request} if each.request_param_name else {}
            solved = await each.call(**given)
            if each.name:
                arguments[each.name] = solved

    def _serialize(self, result: Any) -> bytes:
        field = self.route.response_field
        assert field is not None
        value, errors = field.validate(result, {}, loc=("response",))
        if errors:
            where: EndpointContext = {"path": self.route.path_format}
            raise ResponseValidationError(errors, body=result, endpoint_ctx=where)
        return field.serialize_json(value, **self.options)
