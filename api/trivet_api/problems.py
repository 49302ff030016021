"""Errors as the API renders them: problem documents, all of them (RFC 9457)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from trivet.asgi.methods import http_problem_of
from trivet.asgi.middleware.last_resort import server_error_response
from trivet.asgi.problem import error_response, problem_response
from trivet.context import context_of
from trivet.errors import InputError, TrivetError
from trivet.outcome import NOTHING
from trivet_api.json_body import MalformedJsonError

Handler = Callable[[Request, Exception], Awaitable[Response]]


class ProblemFault(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(description="Where: a JSON Pointer (RFC 6901) into what `in` names.")
    detail: str
    in_: str | None = Field(None, alias="in", description="body (default), query, path or header.")


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str = Field(description="The kind of problem, for machines.")
    detail: str | None = Field(None, description="What happened and what to do.")
    request_id: str | None = Field(None, description="Quote this when you ask for help.")
    errors: list[ProblemFault] | None = None


def install_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem document."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http(http_problem_of(lambda: app.router.routes)))
    app.add_exception_handler(MalformedJsonError, _malformed)
    app.add_exception_handler(TrivetError, _known)
    app.add_exception_handler(Exception, _fault)


JUDGE = "__judges_invalid__"
"""The attribute of an endpoint that may know more of a request than what is wrong with its body: a
function of the request that raises TrivetError, or says nothing."""


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    judge = getattr(request.scope.get("endpoint"), JUDGE, None)
    try:
        if judge is not None:
            judge(request)
    except TrivetError as refusal:
        return await _known(request, refusal)
    faults = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        at = faults[0]["loc"][-1]
        reason = faults[0].get("ctx", {}).get("error", "it cannot be read")
        return await _malformed(request, MalformedJsonError(f"{reason} at character {at}"))
    if any(_is_unread(fault) for fault in faults):
        return problem_response(
            request.scope,
            415,
            "no-json",
            "Send the body as JSON, with the header Content-Type: application/json.",
        )
    return problem_response(
        request.scope,
        422,
        "invalid",
        "The request does not fit. See errors.",
        errors=describe_all(faults),
    )


def _is_unread(fault: Any) -> bool:
    """Whether FastAPI took the body for no JSON, by its Content-Type, and judged its bytes."""
    return fault["loc"] == ("body",) and isinstance(fault.get("input"), bytes)


async def _malformed(request: Request, error: Exception) -> Response:
    assert isinstance(error, MalformedJsonError)
    return problem_response(request.scope, 400, "malformed-json", error.detail)


def _http(render: Handler) -> Handler:
    """The handler of Starlette's and FastAPI's own exceptions, which `render` answers.

    A route of somebody's own class reads JSON as FastAPI does, which has one sentence for whatever
    else than a JSONDecodeError comes of it.
    """

    async def answer(request: Request, error: Exception) -> Response:
        if isinstance(error.__cause__, UnicodeDecodeError | RecursionError):
            return await _malformed(request, MalformedJsonError("it cannot be read"))
        return await render(request, error)

    return answer


MOST_ERRORS = 50
"""Nobody reads more, and a small body can have a hundred thousand."""
LONGEST_POINTER = 500
"""In characters; a name that nobody knows may be as long as the body."""


def describe_all(faults: Sequence[Any]) -> list[InputError]:
    """The faults that Pydantic found, each with its place; the first part of a place names the part
    of the request."""
    described: list[InputError] = [
        _describe(fault["loc"], _sentence(fault)) for fault in faults[:MOST_ERRORS]
    ]
    left = len(faults) - len(described)
    return [*described, {"pointer": "", "detail": f"and {left:,} more"}] if left else described


def _sentence(fault: Any) -> str:
    """What is wrong. Pydantic speaks of a whole body as of an argument in Python."""
    if fault["type"] in ("model_attributes_type", "model_type"):
        return "Input should be an object"
    if fault["type"] == "missing" and tuple(fault["loc"]) == ("body",):
        return "A body is needed"
    return str(fault["msg"])


def _describe(location: Sequence[Any], message: str) -> InputError:
    place, *path = location
    pointer = "".join(f"/{_escape(str(part)[:LONGEST_POINTER])}" for part in path)
    fault: InputError = {"pointer": pointer[:LONGEST_POINTER], "detail": message}
    return fault if place == "body" else {"in": str(place), **fault}


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, TrivetError)
    return error_response(request.scope, error)


async def _fault(request: Request, error: Exception) -> Response:
    """FastAPI raises the exception again behind this answer, and the last resort logs it."""
    context = context_of(request.scope)
    # Nobody's decision: what the database refused is no outcome, whatever was declared.
    context.commits_on = NOTHING
    debug = context.platform.settings.debug
    return server_error_response(request.scope, error, debug=debug)
