"""What HTTP asks of every path of the API, whoever answers: HEAD, OPTIONS, conditional GETs, and
requests that may be repeated."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.methods import is_answered, list_methods, options_response
from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.problem import error_response
from trivet.context import context_of
from trivet.idempotency.claim import KeyClaim
from trivet.idempotency.header import has_key
from trivet_api.conditions import parse_tag, parse_tags, stale
from trivet_api.keyed_answer import KeyedAnswer

_WITHOUT_KEYS = SAFE_METHODS | {None}
"""The methods whose requests change nothing; a socket has none."""
_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since"})
_OF_THE_BODY = frozenset({b"content-length", b"content-type", b"content-encoding"})


class HttpAnswers:
    """`answer`, the way into `app`, with what FastAPI leaves to its users.

    A HEAD is answered as the GET would be, without its body, where no route answers HEAD itself. A
    GET whose condition says that the client has this already is a 304, and one whose If-Match does
    not hold a 412 (RFC 9110, 13.2.2). The answer to a request with an Idempotency-Key is kept.
    """

    def __init__(self, app: FastAPI, answer: ASGIApp) -> None:
        self._app = app
        self.answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope.get("method")
        if method == "HEAD" and self._is_get(scope):
            await self._answer_head(scope, receive, send)
        elif method == "GET" and _is_conditional(scope):
            await self.answer(scope, receive, _Conditional(scope, receive, send))
        elif method == "OPTIONS" and not is_answered(self._routes, scope, "OPTIONS"):
            methods = list_methods(self._routes, scope)
            answer = options_response(methods) if methods else self.answer
            await answer(scope, receive, send)
        elif method not in _WITHOUT_KEYS and has_key(scope["headers"]):
            await self._answer_keyed(scope, receive, send)
        else:
            await self.answer(scope, receive, send)

    async def _answer_keyed(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        claim = KeyClaim(context.platform.idempotency, context.require_transaction())
        context.claim = claim
        keyed = KeyedAnswer(scope, receive, send, claim)
        try:
            await self.answer(scope, receive, keyed)
        except (OSError, ClientDisconnect):
            if not keyed.is_replaced:
                raise
        finally:
            claim.release()

    @property
    def _routes(self) -> Sequence[BaseRoute]:
        return self._app.router.routes

    def _is_get(self, scope: Scope) -> bool:
        return not is_answered(self._routes, scope, "HEAD") and is_answered(
            self._routes, scope, "GET"
        )

    async def _answer_head(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A scope of its own: the server looks into the other to know that no body follows.
        asked = {**scope, "method": "GET"}
        headed = _Headed(send)
        try:
            await self(asked, receive, headed)
        except (OSError, ClientDisconnect):
            if not headed.is_complete:
                raise
        finally:
            scope.update({k: asked[k] for k in ("route", "endpoint") if k in asked})


class _Headed:
    """Sends the head of an answer, and ends it there.

    What would go on for long (a stream) is told that nobody listens, as a server does it.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self.is_complete:
            self.is_complete = True
            await self._send({"type": "http.response.body", "body": b""})
            if message.get("more_body", False):
                raise OSError("a HEAD has no body")


class _Conditional:
    """Sends the answer to a GET, or in its place that the client has it, or that it is late."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_replaced = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            answer = self._judge(message) if message["status"] == 200 else None
            if answer is not None:
                self._is_replaced = True
                await answer(self._scope, self._receive, self._send)
                return
        if not self._is_replaced:
            await self._send(message)

    def _judge(self, start: Message) -> ASGIApp | None:
        asked, given = Headers(scope=self._scope), Headers(raw=list(start.get("headers", ())))
        etag = parse_tag(given.get("etag", ""))
        if_match = parse_tags(asked.getlist("if-match"))
        if if_match is not None and etag is not None and not if_match.names_strongly(etag):
            return error_response(self._scope, stale(etag.text))
        if_none_match = parse_tags(asked.getlist("if-none-match"))
        if if_none_match is not None:
            is_known = if_none_match.is_any or (etag is not None and if_none_match.names(etag))
        else:
            is_known = _is_unmodified(asked.get("if-modified-since"), given.get("last-modified"))
        return _NotModified(given.raw) if is_known else None


class _NotModified:
    """304, with all that is said of the representation but its body (RFC 9110, 15.4.5)."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        self._headers = [each for each in headers if each[0].lower() not in _OF_THE_BODY]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 304, "headers": self._headers})
        await send({"type": "http.response.body", "body": b""})


def _is_conditional(scope: Scope) -> bool:
    return not _CONDITIONS.isdisjoint([name for name, _ in scope["headers"]])


def _is_unmodified(since: str | None, modified: str | None) -> bool:
    if since is None or modified is None:
        return False
    dates: list[Any] = []
    for text in (since, modified):
        try:
            dates.append(parsedate_to_datetime(text))
        except ValueError:
            return False  # RFC 9110, 13.1.3: what is no date is ignored
    try:
        return bool(dates[0] >= dates[1])
    except TypeError:  # one of them names no zone
        return False
