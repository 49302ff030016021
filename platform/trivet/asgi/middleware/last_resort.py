"""The last resort: an exception that no code caught becomes an answer.

An answered error ends here. Frameworks raise an exception again after they have answered it, so
that it can be logged. A server takes such an exception for a failure: it logs a second traceback
and drops the connection, on which the client may already have sent its next request. So an
exception reaches the server only if a response is incomplete and has to be broken off.
"""

import asyncio
from http import HTTPStatus

import structlog
from sqlalchemy.exc import MissingGreenlet
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from trivet.asgi.problem import error_response, http_problem, problem_response, refuse
from trivet.context import context_of
from trivet.data.errors import explain, out_of_group
from trivet.data.outages import find_outage
from trivet.data.validators import find_refusal
from trivet.errors import TrivetError, Unavailable
from trivet.lifecycle import State
from trivet.log import BrokenResponse

logger = structlog.stdlib.get_logger("trivet.errors")


class LastResortMiddleware:
    """Answers exceptions that no code caught: an error of the domain or of Starlette with its own
    status, a refusal of the database with 409 or 503, anything else with 500 and no detail.

    With `debug`, a fault of ours shows its traceback instead. An exception after a complete answer
    is logged and ends here, and so does, without a line, the error by which the server says that
    the client has left. An exception in the middle of an answer is logged and raised as
    `BrokenResponse`, so that the server cuts the connection.
    """

    def __init__(self, app: ASGIApp, *, debug: bool = False) -> None:
        self.app = app
        self.debug = debug

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        watch = _Watch(receive, send)
        try:
            await self.app(scope, watch.receive, watch)
            watch.require_answer()
        except asyncio.CancelledError as error:
            if watch.status or not self._is_stopping(scope, error):
                raise
            await self._send_away(scope, receive, send)
        except Exception as error:
            if watch.has_lost(error):
                return
            if watch.is_complete:
                _log_after(watch.status, error)
                return
            _log_before(watch.status, error)
            if watch.status:
                raise BrokenResponse from error
            await self._answer(scope, receive, send, error)

    def _is_stopping(self, scope: Scope, error: asyncio.CancelledError) -> bool:
        """Whether the server gives up what has not ended within `shutdown_seconds`."""
        given_up = bool(error.args) and str(error.args[0]).startswith(_GIVEN_UP)
        state = context_of(scope).platform.lifecycle.state
        is_ending = state in (State.DRAINING, State.STOPPED)
        return scope["type"] == "http" and (given_up or is_ending)

    async def _send_away(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Nobody else waits for this task: it was the server that gave the request up.
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        logger.warning("the process stops, and a request is sent away")
        await self._answer(scope, receive, send, _stopping())

    async def _answer(self, scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
        if scope["type"] == "websocket":
            await refuse(scope, receive, send, explain(error) or INTERNAL)
        else:
            await server_error_response(scope, error, debug=self.debug)(scope, receive, send)


class _Watch:
    """Sends an answer, and knows how far it has come.

    Attributes:
        status: The status that was sent; 0 before that.
        is_complete: Whether all of the answer was sent.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._is_awaited = True
        self._lost: OSError | None = None
        self.status = 0
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        kind = message["type"]
        if kind != "websocket.close" and not self.status:
            self.status = message.get("status", _SWITCHING)
        try:
            await self._send(message)
        except OSError as error:
            self._lost = error
            raise
        # Set after the send: if the server refuses the message, the answer is not complete.
        self.is_complete = kind in _LAST and not message.get("more_body", False)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] in _LEFT:
            self._is_awaited = False
        return message

    def require_answer(self) -> None:
        """Raise if the application is done, and its client still waits for an answer. A socket that
        is open may outlive the call."""
        is_open = self.status == _SWITCHING
        if self._is_awaited and not self.is_complete and not is_open:
            part = "the end of its answer" if self.status else "an answer"
            raise NoAnswer(f"the application returned without {part}")

    def has_lost(self, error: Exception) -> bool:
        """Whether `error` is that by which the server said that the client has left."""
        is_starlettes = isinstance(error, WebSocketDisconnect)
        return self._lost is not None and (error is self._lost or is_starlettes)


class NoAnswer(RuntimeError):
    """An application returned, and had not answered, or not to the end."""


_SWITCHING = HTTPStatus.SWITCHING_PROTOCOLS
_LEFT = frozenset({"http.disconnect", "websocket.disconnect"})
_GIVEN_UP = "Task cancelled, timeout graceful shutdown exceeded"
"""By which message uvicorn cancels requests; nobody else's cancellation is answered."""


def _stopping() -> Unavailable:
    return Unavailable("stopping", "This server stops. Send the request again.", retry_after=1)


_LAST = {
    "http.response.body",
    "http.response.pathsend",
    "websocket.http.response.body",
    "websocket.close",
}
"""The message that completes an answer, unless it says that more comes."""


def _log_before(status: int, error: Exception) -> None:
    """Log an exception before the end of an answer of which `status` was sent, if it is not 0."""
    if status:
        logger.error("response broken off", exc_info=error)
    else:
        log_server_error(error)


def _log_after(status: int, error: Exception) -> None:
    """Log an exception after a complete answer: the error that was answered, or a failure of later
    work, which no client has seen."""
    if status >= HTTPStatus.BAD_REQUEST:
        log_server_error(error)
    else:
        logger.error("work behind the response failed", exc_info=error)


INTERNAL = TrivetError("internal", "Something went wrong on our side. Quote the request id.")


def server_error_response(scope: Scope, error: Exception, *, debug: bool) -> Response:
    """The answer to an exception that no code caught. Mounted frameworks that answer such
    exceptions themselves use this too, so that the answer is the same everywhere."""
    explained = explain(error)
    if explained is not None:
        return error_response(scope, explained)
    if isinstance(http_error := out_of_group(error), HTTPException):
        return http_problem(Request(scope), http_error)
    if debug:
        page = _DEBUG.debug_response(Request(scope), error)
        page.headers["content-security-policy"] = DEBUG_PAGE_POLICY
        return page
    return problem_response(scope, INTERNAL.status, INTERNAL.code, INTERNAL.detail)


_LOADED_LATE = (
    "An attribute was read that is not loaded, most often a relationship, and loading it would "
    "block the event loop. Read it in a service, with 'await unit.run(service, …)', or load it "
    "with its row: select(…).options(selectinload(…))."
)


def log_server_error(error: Exception) -> None:
    """Log a fault of ours with its traceback. An error with a public meaning is not a fault."""
    raised = out_of_group(error)
    if isinstance(raised, HTTPException):
        return
    if explain(raised) is None:
        if isinstance(getattr(raised, "orig", raised), MissingGreenlet):
            raised.add_note(_LOADED_LATE)
        logger.error("unhandled exception", exc_info=error)
    elif not isinstance(raised, TrivetError) and find_refusal(raised) is None:
        log_refusal(raised)


def log_refusal(error: BaseException) -> None:
    """Log in one line what the database refused, or why it cannot serve now."""
    outage = find_outage(error)
    said = str(error.__cause__ or error)
    if outage is None:
        logger.warning("the database refused", error=said)
    else:
        logger.warning("the database cannot serve now", state=outage.state, error=said)


async def _nothing(scope: Scope, receive: Receive, send: Send) -> None: ...


_DEBUG = ServerErrorMiddleware(_nothing, debug=True)
DEBUG_PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page of a traceback contains its own style and script. It exists only under debug; it loads
nothing else and sends nothing."""
