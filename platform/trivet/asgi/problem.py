"""Problem documents (RFC 9457): the form of every error by HTTP.

A WebSocket handshake is refused with the same document where the server can send one
(ASGI's ``websocket.http.response``), and with a bare 403 where it cannot.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trivet.context import STATE_KEY
from trivet.errors import (
    Conflict,
    NotFound,
    TooManyRequests,
    TrivetError,
    Unauthenticated,
    Unavailable,
)

MEDIA_TYPE = "application/problem+json"


_TITLES = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    418: "I'm a Teapot",
    422: "Unprocessable Content",
}
"""Where Python's phrases changed from one version to the next: the words of RFC 9110."""


def title_of(status: int) -> str:
    """The words for a status, the same on every version of Python."""
    return _TITLES.get(status) or HTTPStatus(status).phrase


def problem_response(
    scope: Scope,
    status: int,
    code: str,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **data: Any,
) -> Response:
    """A problem document. `code` names the kind of problem for programs, `detail` tells people
    what to do. The request id is added, so that a report can be traced."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": title_of(status),
        "status": int(status),
        "code": code,
    }
    if detail is not None:
        document["detail"] = detail
    context = scope.get("state", {}).get(STATE_KEY)
    if context is not None:
        document["request_id"] = context.request_id
    try:
        body = msgspec.json.encode({**document, **data})
    except UnicodeEncodeError:  # it repeats a name with half a character in it: JSON has an escape
        body = json.dumps({**document, **data}).encode()
    return Response(body, int(status), dict(headers or {}), MEDIA_TYPE)


def error_response(scope: Scope, error: TrivetError) -> Response:
    """The problem document of an error of the domain, with the headers that its status
    asks for."""
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["www-authenticate"] = "Bearer"
    if (
        isinstance(error, Conflict | TooManyRequests | Unavailable)
        and error.retry_after is not None
    ):
        headers["retry-after"] = str(error.retry_after)
    return problem_response(
        scope, error.status, error.code, error.detail, headers=headers, **error.data
    )


async def refuse(scope: Scope, receive: Receive, send: Send, error: TrivetError) -> None:
    """Answer a request, or refuse a WebSocket handshake, with `error`."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    await error_response(scope, error)(scope, receive, send)


def no_such_page(scope: Scope) -> NotFound:
    return NotFound("no-such-page", f"There is nothing at {scope['path']}.")


def http_problem(request: Request, error: Exception) -> Response:
    """Starlette's HTTPException as a problem document."""
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        return error_response(request.scope, no_such_page(request.scope))
    code = error.detail.lower().replace(" ", "-") if error.detail else "error"
    return problem_response(
        request.scope, error.status_code, code, error.detail, headers=error.headers
    )
