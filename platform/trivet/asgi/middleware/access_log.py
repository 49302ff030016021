"""The request id and the access log: the outermost middleware."""

import asyncio
import os
import re
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.context import RequestContext, enter_context
from trivet.log import BrokenResponse, Event, request_logger
from trivet.observation import RequestEnded

if TYPE_CHECKING:
    from trivet.platform import Platform

REQUEST_ID = b"x-request-id"
_ID_BYTES = 16
_ACCEPTABLE_ID = re.compile(r"[\w.:-]{8,128}", re.ASCII)
_SWITCHING = HTTPStatus.SWITCHING_PROTOCOLS
_NO_RESPONSE = 499
"""The logged status of a client that left before the first byte (as nginx logs it)."""


class AccessLogMiddleware:
    """Gives every request an id, which its response and its audit entries carry, and writes one
    log line for it.

    If the caller sends an ``X-Request-ID`` of 8 to 128 plain characters, the log shows it too, as
    ``client_request_id``, so that a proxy's log and ours can be joined. It never replaces our id:
    the audit trail would otherwise name a value that a stranger chose.
    """

    def __init__(self, app: ASGIApp, platform: "Platform") -> None:
        self.app = app
        self.platform = platform
        self.observers = platform.observers
        self.write = request_logger("trivet.access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        context = RequestContext(
            self.platform, os.urandom(_ID_BYTES).hex(), client_request_id=_offered_id(scope)
        )
        leave = enter_context(scope, context)
        id_header = (REQUEST_ID, context.request_id.encode())
        started = time.perf_counter()
        path = scope["path"]
        # The name by which the watchdog, or a debugger, tells whose work this is.
        if (task := asyncio.current_task()) is not None:
            task.set_name(f"{scope.get('method', 'WEBSOCKET')} {path}")
        status = _NO_RESPONSE

        async def send_with_id(message: Message) -> None:
            nonlocal status
            kind = message["type"]
            if kind in _OPENING:
                status = message.get("status", _SWITCHING)
                others = [h for h in message.get("headers", ()) if h[0] != REQUEST_ID]
                message["headers"] = [*others, id_header]
            elif kind == "websocket.close" and status == _NO_RESPONSE:
                status = HTTPStatus.FORBIDDEN
            await send(message)

        is_broken = False
        try:
            await self.app(scope, receive, send_with_id)
        except BrokenResponse:
            is_broken = True
            raise
        finally:
            served = _Served(
                self, context, _method(scope), path, _route(scope), int(status), started, is_broken
            )
            if context.lasting is None:
                served.end()
            else:
                context.lasting.at_end(served.end)
            leave()


_OPENING = {"http.response.start", "websocket.accept", "websocket.http.response.start"}


def _offered_id(scope: Scope) -> str:
    offered = find_header(scope, REQUEST_ID)
    return offered if offered is not None and _ACCEPTABLE_ID.fullmatch(offered) else ""


@dataclass(slots=True)
class _Served:
    """What a log line and an event need of a request; a socket may outlive the rest of it."""

    middleware: AccessLogMiddleware
    context: RequestContext
    method: str
    path: str
    route: str
    status: int
    started: float
    is_broken: bool

    def end(self) -> None:
        """Write the line and emit the event, in the context of the request."""
        seconds = time.perf_counter() - self.started
        self.middleware.write(self._describe(seconds))
        observers = self.middleware.observers
        if observers.active:
            observers.emit(self._ended(seconds))

    def _describe(self, seconds: float) -> Event:
        context, identity = self.context, self.context.identity
        described: Event = {
            "event": "request",
            "method": self.method,
            "path": self.path,
            "mount": context.mount,
            "route": context.route or self.route,
            "status": self.status,
            "duration_ms": round(seconds * 1000, 2),
            "identity": identity.username or identity.kind,
            "credential": identity.credential_id or None,
        }
        if self.is_broken:
            described["broken_off"] = True
        return described

    def _ended(self, seconds: float) -> RequestEnded:
        return RequestEnded(
            method=self.method,
            mount=self.context.mount,
            route=self.context.route or self.route,
            status=self.status,
            seconds=seconds,
            identity_kind=self.context.identity.kind,
            request_id=self.context.request_id,
        )


def _method(scope: Scope) -> str:
    method: str = scope.get("method", "WEBSOCKET")
    return method


def _route(scope: Scope) -> str:
    """The path template that matched; empty if the mounted app does not leave it in the scope."""
    return getattr(scope.get("route"), "path", "")
