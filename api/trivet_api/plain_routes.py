"""What FastAPI knows of a route, as far as whoever answers in its place has to ask.

`trivet_api.direct` answers what the head of a request asks for, `trivet_api.plain_bodies` a body of
JSON. Both leave to FastAPI whatever is not of one kind every time.
"""

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Any

from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.utils import is_body_allowed_for_status_code
from starlette.requests import Request

OPTIONS = ("include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none")
"""The arguments of a route about its response model, as FastAPI names them."""

Sources = Sequence[tuple[Sequence[Any], Callable[[Request], Any]]]


def answers_with_its_model(route: APIRoute) -> bool:
    """Whether the answer is the route's response model as JSON, with a status that has a body."""
    return (
        route.response_field is not None
        and isinstance(route.response_class, DefaultPlaceholder)
        and not route.is_sse_stream
        and not route.is_json_stream
        and route.max_body_size is None
        and is_body_allowed_for_status_code(route.status_code)
    )


def asks_plainly(dependant: Dependant) -> bool:
    """Whether it is a coroutine that asks for no more than the request, its parameters, a body and
    the response."""
    return iscoroutinefunction(dependant.call) and not (
        dependant.http_connection_param_name
        or dependant.websocket_param_name
        or dependant.background_tasks_param_name
        or dependant.security_scopes_param_name
        or dependant.own_oauth_scopes
        or dependant.concurrency
    )


def occur_once(dependants: Sequence[Dependant]) -> bool:
    """Whether no two are the same, so that they share no result."""
    return len({id(each.call) for each in dependants}) == len(dependants)


def sources_of(dependant: Dependant) -> Sources:
    """The parts of a head that `dependant` asks for: the fields, and the place of each kind."""
    sources: Sources = [
        (dependant.path_params, lambda request: request.path_params),
        (dependant.query_params, lambda request: request.query_params),
        (dependant.header_params, lambda request: request.headers),
        (dependant.cookie_params, lambda request: request.cookies),
    ]
    return [(fields, find) for fields, find in sources if fields]
