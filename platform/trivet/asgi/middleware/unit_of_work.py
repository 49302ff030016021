"""The unit of work: one request, one transaction, one outcome."""

import sys
from contextlib import suppress
from http import HTTPStatus

import anyio
from sqlalchemy.exc import PendingRollbackError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.middleware.cross_site import SAFE_METHODS
from trivet.asgi.middleware.last_resort import log_server_error, server_error_response
from trivet.asgi.middleware.response_form import ResponseForm
from trivet.context import RequestContext, context_of
from trivet.data.transaction import AsyncTransaction
from trivet.idempotency.claim import KeyClaim
from trivet.observation import reason_of


class UnitOfWorkMiddleware:
    """Ends the request's unit of work when its response starts, before the first byte is sent. A
    status below 400 commits. Any other rolls back, unless the endpoint has declared it an outcome
    (`trivet.outcome`).

    If the commit fails, the problem replaces the response, and the rest of the app's response is
    dropped. A request without an answer (the client left, an exception) is rolled back. A
    WebSocket has no unit: its room opens one for each message.
    """

    def __init__(self, app: ASGIApp, *, debug: bool = False) -> None:
        self.app = app
        self.debug = debug
        self._form = ResponseForm()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            is_socket = scope["type"] == "websocket"
            await self.app(scope, receive, self._form.checked(send) if is_socket else send)
            return
        context = context_of(scope)
        transaction = context.platform.open_transaction(
            lambda: context.origin,
            read_only=scope["method"] in SAFE_METHODS,
            client=context.client,
        )
        context.transaction = transaction
        replaced = is_started = False

        async def decide_and_send(message: Message) -> None:
            nonlocal replaced, is_started
            if replaced:
                return
            # Nothing is committed for a response that the server could not send.
            is_started = self._form.check(message, is_started=is_started)
            if message["type"] == "http.response.start":
                try:
                    if transaction.is_used:
                        await _decide(transaction, message["status"], context)
                    transaction.end()
                except Exception as error:  # noqa: BLE001  # it becomes the answer
                    replaced = True
                    log_server_error(error)
                    answer = server_error_response(scope, error, debug=self.debug)
                    await answer(scope, receive, send)
                    return
            await send(message)

        try:
            await self.app(scope, receive, decide_and_send)
        finally:
            if transaction.is_open:
                # A cancelled request has to give its connection back too.
                reason = reason_of(sys.exception()) or "no answer"
                with anyio.CancelScope(shield=True):
                    await transaction.close(reason)
            transaction.let_go()


async def _decide(transaction: AsyncTransaction, status: int, context: RequestContext) -> None:
    try:
        if status < HTTPStatus.BAD_REQUEST:
            await _commit(transaction, context.claim)
        elif status in context.commits_on:
            # A unit whose flush was refused cannot be committed: the refusal is the answer.
            with suppress(PendingRollbackError):
                await _commit(transaction, context.claim)
    finally:
        await transaction.close(f"status {status}")


async def _commit(transaction: AsyncTransaction, claim: KeyClaim | None) -> None:
    if claim is None or claim.answer is None:
        await transaction.commit()
    else:  # the answer to the request's Idempotency-Key is part of what is committed
        await claim.commit()
