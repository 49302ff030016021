"""Plain writing routes: a body of JSON is read, checked and handed over without FastAPI's solver.

FastAPI parses the type of the body as the header of a mail, solves dependencies that may clean up
or override each other, and keeps telemetry. A route whose body is one value, and whose dependencies
ask for no more than the head of the request, needs none of it. Its fields are FastAPI's, and so is
the refusal: what is not valid is left to it, with the body that has been read.

Like `trivet_api.direct` this is for releases of FastAPI that `trivet_api.proof` knows, and where
TRIVET_DIRECT_ANSWERS does not say no.
"""

from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import EndpointContext, HTTPException, ResponseValidationError
from fastapi.params import File, Form
from fastapi.routing import APIRoute
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope

from trivet.context import context_of
from trivet.outcome import declared_by
from trivet_api.idempotency import REQUIRES, read_again, take_key
from trivet_api.json_answer import JsonAnswer
from trivet_api.json_body import JsonRequest
from trivet_api.plain_routes import (
    OPTIONS,
    Sources,
    answers_with_its_model,
    asks_plainly,
    occur_once,
    sources_of,
)
from trivet_api.policy import PolicyRoute, enter

_JSON = b"application/json"


def takes_plain_body(route: APIRoute) -> bool:
    """Whether `PlainBody` does all that FastAPI would do for a valid request of `route`."""
    own = route.dependant
    return (
        len(own.body_params) == 1
        and not isinstance(own.body_params[0].field_info, Form | File)
        and not getattr(own.body_params[0].field_info, "embed", None)
        and answers_with_its_model(route)
        and _needs_no_response(own)
        and occur_once(own.dependencies)
        and all(
            _needs_no_response(each) and not (each.body_params or each.dependencies)
            for each in own.dependencies
        )
    )


def _needs_no_response(dependant: Dependant) -> bool:
    return asks_plainly(dependant) and not dependant.response_param_name


class PlainBody:
    """Answers the valid requests of a plain writing route."""

    def __init__(self, route: PolicyRoute) -> None:
        self._route = route
        self._commits_on = declared_by(route.endpoint)
        own = route.dependant
        self._own = own, sources_of(own)
        self._others = [(each, _sources(each)) for each in own.dependencies]
        self._status = route.status_code or 200
        self._options = {name: getattr(route, f"response_model_{name}") for name in OPTIONS}

    async def prepare(self, scope: Scope, receive: Receive) -> tuple[ASGIApp | None, Receive]:
        """Do the work, and return the answer before any of it is sent; None if the request is for
        FastAPI, which then reads the body that has been read by the second value.

        Raises what the policies, reading the body, and the endpoint raise.
        """
        route = self._route
        context = enter(scope, route.policies, self._commits_on)
        route.check_query(scope)
        if context.claim is not None or route.key_rule is REQUIRES:
            kept, receive = await take_key(scope, receive, route.key_rule)
            if kept is not None:
                return kept, receive
        if not _has_json(scope) or self._is_overridden():
            return None, receive
        request = JsonRequest(scope, receive, route.judge)
        try:
            body = await request.body()
            value = await request.json() if body else None
        except HTTPException:
            raise
        except Exception as error:
            raise HTTPException(400, "There was an error parsing the body") from error  # FastAPI's
        answer = await self._answer(request, value) if body else None
        return answer, receive if answer is not None else read_again(body, receive)

    async def _answer(self, request: Request, value: Any) -> Response | None:
        arguments = _head(*self._own, request)
        if arguments is None or value is None:
            return None  # FastAPI has a default for no value, or an error
        own = self._route.dependant
        (field,) = own.body_params
        read, wrong = field.validate(value, {}, loc=("body",))
        if wrong:
            return None
        arguments[field.name] = read
        # All of them are judged before the first is called: FastAPI would call them again.
        asked = [_head(*each, request) for each in self._others]
        if None in asked:
            return None
        for (dependant, _), found in zip(self._others, asked, strict=True):
            call: Any = dependant.call
            solved = await call(**(found or {}))
            if dependant.name:
                arguments[dependant.name] = solved
        context_of(request.scope).require_transaction().may_end_early = True
        result = await self._route.endpoint(**arguments)
        return result if isinstance(result, Response) else self._serialize(result)

    def _is_overridden(self) -> bool:
        provider = self._route.dependency_overrides_provider
        return bool(getattr(provider, "dependency_overrides", None))

    def _serialize(self, result: Any) -> Response:
        field = self._route.response_field
        assert field is not None
        value, errors = field.validate(result, {}, loc=("response",))
        if errors:
            where: EndpointContext = {"path": self._route.path_format}
            raise ResponseValidationError(errors, body=result, endpoint_ctx=where)
        body = field.serialize_json(value, **self._options)
        return JsonAnswer(body, self._status)


def _sources(dependant: Dependant) -> Sources:
    if getattr(dependant.call, "__reads_head_itself__", False):
        return ()  # its parameters, which are all optional texts, are for the document
    return sources_of(dependant)


def _has_json(scope: Scope) -> bool:
    """Whether the body is JSON by the words of most clients, and has no limit of the route's."""
    if MAX_BODY_SIZE_SCOPE_KEY in scope:
        return False
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(kinds) == 1 and kinds[0].partition(b";")[0].strip().lower() == _JSON


def _head(dependant: Dependant, sources: Sources, request: Request) -> dict[str, Any] | None:
    """The arguments that are in the head; None if some are not valid."""
    arguments: dict[str, Any] = {}
    for fields, find in sources:
        found, wrong = request_params_to_args(fields, find(request))
        if wrong:
            return None
        arguments |= found
    if dependant.request_param_name:
        arguments[dependant.request_param_name] = request
    return arguments
