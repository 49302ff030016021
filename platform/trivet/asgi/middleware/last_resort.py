"""The last resort: an exception that nobody caught becomes an honest answer.

An answered error ends here. Frameworks raise an exception again after they have answered it, for
whoever logs; a server takes what it is given as a failure, logs a second traceback and drops the
connection, on which the client's next request may already be under way. So nothing is raised to
the server unless a response is incomplete and has to be broken off.
"""

from http import HTTPStatus

import structlog
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.problem import error_response, http_problem, problem_response, refuse
from trivet.data.errors import explain
from trivet.data.validators import find_refusal
from trivet.errors import TrivetError
from trivet.log import BrokenResponse

logger = structlog.stdlib.get_logger("trivet.errors")


class LastResortMiddleware:
    """Answers what nobody caught: an error of the domain or of Starlette with its own status,
    a fault of the database with 409 or 503, anything else with 500 and no detail.

    With `debug`, a fault of ours shows its traceback instead. What an app raises after its
    answer is complete is logged and ends here. What it raises in the midst of an answer is
    logged, and raised as `BrokenResponse` for the server to cut the connection.
    """

    def __init__(self, app: ASGIApp, *, debug: bool = False) -> None:
        self.app = app
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        status = 0
        complete = False

        async def watch(message: Message) -> None:
            nonlocal status, complete
            kind = message["type"]
            if kind != "websocket.close":
                status = status or message.get("status", HTTPStatus.SWITCHING_PROTOCOLS)
            await send(message)
            # Only now: a server that refuses the message has not completed the answer.
            complete = kind in _LAST and not message.get("more_body", False)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if complete:
                _log_after(status, error)
            elif status:
                logger.exception("response broken off")
                raise BrokenResponse from error
            else:
                log_server_error(error)
                await self._answer(scope, receive, send, error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        if scope["type"] == "websocket":
            await refuse(scope, receive, send, explain(error) or INTERNAL)
        else:
            await server_error_response(scope, error, debug=self.debug)(scope, receive, send)


_LAST = {
    "http.response.body",
    "http.response.pathsend",
    "websocket.http.response.body",
    "websocket.close",
}
"""The message that completes an answer, unless it says that more comes."""


def _log_after(status: int, error: Exception) -> None:
    """Log what an app raised behind its complete answer: the error that it has answered, or a
    failure of work that came later, which nobody has seen."""
    if status >= HTTPStatus.BAD_REQUEST:
        log_server_error(error)
    else:
        logger.error("work behind the response failed", exc_info=error)


INTERNAL = TrivetError("internal", "Something went wrong on our side. Quote the request id.")


def server_error_response(scope: Scope, error: Exception, *, debug: bool) -> Response:
    """The answer to an exception that nobody caught. Mounted frameworks that answer such
    exceptions themselves use this too, so that the answer is the same everywhere."""
    explained = explain(error)
    if explained is not None:
        return error_response(scope, explained)
    if isinstance(error, HTTPException):
        return http_problem(Request(scope), error)
    if debug:
        page = _DEBUG.debug_response(Request(scope), error)
        page.headers["content-security-policy"] = DEBUG_PAGE_POLICY
        return page
    return problem_response(scope, INTERNAL.status, INTERNAL.code, INTERNAL.detail)


def log_server_error(error: Exception) -> None:
    """Log what is a fault of ours with its traceback; what has a public meaning is not."""
    if isinstance(error, HTTPException):
        return
    if explain(error) is None:
        logger.error("unhandled exception", exc_info=error)
    elif not isinstance(error, TrivetError) and find_refusal(error) is None:
        logger.warning("the database refused", error=str(error.__cause__ or error))


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


_DEBUG = ServerErrorMiddleware(_nothing, debug=True)
DEBUG_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page of a traceback brings its style and its script in itself. It exists under debug alone,
and neither loads anything else nor sends what it shows anywhere."""
