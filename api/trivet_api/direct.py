"""Plain routes, answered directly.

For every request FastAPI solves a tree of dependencies that may clean up, yield or override
each other, beside background tasks, streams and telemetry. Most routes have none of that. For
those this reads the parameters, runs the endpoint and serializes what it returns, with the
fields and functions that FastAPI itself uses, and nothing around them.

Whatever is not plain stays FastAPI's: a route of another class than ours, a route with a body,
or with a dependency on more than the request and the response; and of a plain route the requests
whose parameters are not valid. So do all routes on a release of FastAPI that `trivet_api.proof`
does not know, and where TRIVET_DIRECT_ANSWERS says no. docs/decisions/0023 says what this is worth.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import EndpointContext, ResponseValidationError
from fastapi.routing import APIRoute
from fastapi.utils import is_body_allowed_for_status_code
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from trivet.context import context_of
from trivet_api.idempotency import REQUIRES, take_key
from trivet_api.json_answer import JsonAnswer
from trivet_api.plain_bodies import PlainBody, takes_plain_body
from trivet_api.plain_routes import (
    OPTIONS,
    answers_with_its_model,
    asks_plainly,
    occur_once,
    sources_of,
)
from trivet_api.policy import PolicyRoute
from trivet_api.route_index import RouteIndex, index_routes


def answer_directly(app: FastAPI) -> "DirectFirst":
    """`app` with its plain routes answered directly; those that are added later are not."""
    writing: dict[int, PlainBody] = {}
    for route in app.router.routes:
        if type(route) is PolicyRoute and is_plain(route):
            route.app = DirectAnswer(route, route.app)
        elif type(route) is PolicyRoute and takes_plain_body(route):
            writing[id(route)] = PlainBody(route)
    return DirectFirst(app, index_routes(app.router), writing)


def is_plain(route: APIRoute) -> bool:
    """Whether `DirectAnswer` does all that FastAPI would do for `route`."""
    own = route.dependant
    return answers_with_its_model(route) and _needs_no_body(own) and _are_leaves(own.dependencies)


def _needs_no_body(dependant: Dependant) -> bool:
    return asks_plainly(dependant) and not dependant.body_params


def _are_leaves(dependants: Sequence[Dependant]) -> bool:
    """Whether the dependencies need only request and response and share no result."""
    return occur_once(dependants) and all(
        _needs_no_body(each) and not (sources_of(each) or each.dependencies) for each in dependants
    )


class DirectAnswer:
    """Answers a plain `route` once its policies have let the identity pass.

    `otherwise` is FastAPI's own app of the route, for what is not valid, which it then says in
    its own words, and for an application whose dependencies are overridden.
    """

    def __init__(self, route: PolicyRoute, otherwise: ASGIApp) -> None:
        self.route = route
        self.checks = tuple(policy.check for policy in route.policies)
        self.check_query = route.check_query
        self.key_rule = route.key_rule
        self.otherwise = otherwise
        # In a path a field is one text, which is there and needs not be looked for, unless it may
        # have several names.
        in_path = route.dependant.path_params
        is_there = {each.alias for each in in_path} <= set(route.param_convertors)
        renamed = any(each.validation_alias for each in in_path)
        self.in_path = in_path if is_there and not renamed else []
        self.sources = [each for each in sources_of(route.dependant) if each[0] is not self.in_path]
        self.says_more = any(
            each.response_param_name for each in (route.dependant, *route.dependant.dependencies)
        )
        self.status = route.status_code or HTTPStatus.OK.value
        self.options = {name: getattr(route, f"response_model_{name}") for name in OPTIONS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.prepare(scope, receive, send)
        await (answer or self.otherwise)(scope, receive, send)

    async def prepare(self, scope: Scope, receive: Receive, send: Send) -> ASGIApp | None:
        """Do the work and return the answer before any of it is sent; None if the request
        is for FastAPI. Raises what the policies and the endpoint raise."""
        context = context_of(scope)
        for check in self.checks:
            check(context.identity)
        self.check_query(scope)
        request = Request(scope, receive, send)
        arguments = self._read(request)
        if arguments is None:
            return None
        if context.claim is not None or self.key_rule is REQUIRES:
            kept, receive = await take_key(scope, receive, self.key_rule)
            if kept is not None:
                return kept
            request = Request(scope, receive, send)
        response = await self._solve(arguments, request)
        result = await self.route.endpoint(**arguments)
        if isinstance(result, Response):
            return result
        body = self._serialize(result)
        return JsonAnswer(body, self.status) if response is None else self._answer(body, response)

    def _read(self, request: Request) -> dict[str, Any] | None:
        """The arguments in the head of the request; None if they are for FastAPI to judge."""
        if getattr(self.route.dependency_overrides_provider, "dependency_overrides", None):
            return None
        arguments: dict[str, Any] = {}
        for field in self.in_path:
            value, wrong = field.validate(request.path_params[field.alias])
            if wrong:
                return None
            arguments[field.name] = value
        for fields, find in self.sources:
            found, wrong = request_params_to_args(fields, find(request))
            if wrong:
                return None
            arguments |= found
        return arguments

    async def _solve(self, arguments: dict[str, Any], request: Request) -> Response | None:
        """Add to `arguments` what is no field: the request, what the dependencies give, and the
        response of which they and the endpoint may say something, which is returned."""
        own = self.route.dependant
        response = _unsaid() if self.says_more else None
        for each in own.dependencies:
            assert each.call is not None
            solved = await each.call(**_given(each, request, response))
            if each.name:
                arguments[each.name] = solved
        arguments |= _given(own, request, response)
        return response

    def _serialize(self, result: Any) -> bytes:
        field = self.route.response_field
        assert field is not None
        value, errors = field.validate(result, {}, loc=("response",))
        if errors:
            where: EndpointContext = {"path": self.route.path_format}
            raise ResponseValidationError(errors, body=result, endpoint_ctx=where)
        return field.serialize_json(value, **self.options)

    def _answer(self, body: bytes, said: Response) -> Response:
        status = said.status_code or self.status
        answer = Response(body, status, media_type="application/json")
        if not is_body_allowed_for_status_code(status):
            answer.body = b""
        answer.headers.raw.extend(said.headers.raw)
        return answer


def _given(dependant: Dependant, request: Request, response: Response | None) -> dict[str, Any]:
    given: dict[str, Any] = {}
    if dependant.request_param_name:
        given[dependant.request_param_name] = request
    if dependant.response_param_name:
        given[dependant.response_param_name] = response
    return given


def _unsaid() -> Response:
    """A response of which nobody has said anything yet."""
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]  # as FastAPI marks it
    return response


class DirectFirst:
    """`app`, whose plain routes are answered before its own middleware is asked.

    That middleware opens stacks and watches for exceptions; here an exception finds the
    handler that `app` has for it, once it is raised. `writing` are the routes that take a plain
    body, by their identities.
    """

    def __init__(self, app: FastAPI, index: RouteIndex, writing: Mapping[int, PlainBody]) -> None:
        self.app = app
        self.index = index
        self.writing = writing
        self.handlers = {
            kind: handler
            for kind, handler in app.exception_handlers.items()
            if kind not in (Exception, HTTPStatus.INTERNAL_SERVER_ERROR)  # the root's last resort
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        direct = self._find(scope) if scope["type"] == "http" else None
        if direct is None:
            await self.app(scope, receive, send)
            return
        answer: ASGIApp | None
        try:
            if isinstance(direct, PlainBody):
                answer, receive = await direct.prepare(scope, receive)
            else:
                answer = await direct.prepare(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # raised again, where it is handled
            answer = _raising(error)
        if answer is not None and not _only_sends(answer):
            answer = ExceptionMiddleware(answer, self.handlers)  # for it may raise
        await (answer or self.app)(scope, receive, send)

    def _find(self, scope: Scope) -> "DirectAnswer | PlainBody | None":
        """The plain route that is meant, entered in `scope` as the app's router would do."""
        found = self.index.find(scope)
        if found is None:
            return None
        direct: object = getattr(found.route, "app", None)
        if scope["method"] != "GET" or not isinstance(direct, DirectAnswer):
            direct = self.writing.get(id(found.route))
        if not isinstance(direct, DirectAnswer | PlainBody):
            return None
        scope.update(found.scope, app=self.app, router=self.app.router)
        return direct


def _only_sends(answer: ASGIApp) -> bool:
    return type(answer) is JsonAnswer and answer.background is None


def _raising(error: Exception) -> ASGIApp:
    async def raise_error(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise error

    return raise_error
