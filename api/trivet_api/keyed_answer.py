"""The answer to a request with an Idempotency-Key, held back until it is whole.

It is committed with the change, so all of it has to be there before the first byte is sent. What
has no end, or more bytes than are kept, is undone and refused: a change that cannot be repeated
safely is not made under a key.
"""

from http import HTTPStatus

from starlette.types import Message, Receive, Scope, Send

from trivet.asgi.problem import error_response
from trivet.context import context_of
from trivet.errors import Invalid, TrivetError
from trivet.idempotency.answer import KeptAnswer, headers_text
from trivet.idempotency.claim import KeyClaim
from trivet_api.idempotency import KeptResponse, not_taken


class KeyedAnswer:
    """Sends the answer to a request whose `claim` may have been taken.

    A refusal passes as it is: it rolls everything back, the claim too, and the key is free again.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send, claim: KeyClaim) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._claim = claim
        self._start: Message | None = None
        self._announced: int | None = None
        self._body = bytearray()
        self.is_replaced = False

    async def __call__(self, message: Message) -> None:
        if self.is_replaced:
            if message.get("more_body", False):
                raise OSError("this answer was refused")  # a stream may end
        elif message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start is not None:
            await self._collect(message)
        else:
            await self._send(message)

    async def _begin(self, message: Message) -> None:
        context = context_of(self._scope)
        status = message["status"]
        if self._claim.is_lost:
            await self._repeat()
        elif status >= HTTPStatus.BAD_REQUEST and status not in context.commits_on:
            await self._send(message)
            self._claim.release()  # the transaction is rolled back by now
        elif self._claim.is_taken:
            context.require_transaction().end()
            self._start, self._announced = message, _length_of(message)
            if self._announced is not None and self._announced > self._most:
                await self._replace(self._too_large())
        elif self._claim.found is not None:
            await self._send(message)  # it is the kept answer
        else:  # whatever answered here asked for no key, so nothing would be kept
            await self._replace(not_taken())

    async def _collect(self, message: Message) -> None:
        assert self._start is not None
        if message["type"] != "http.response.body":
            await self._replace(_endless())
            return
        self._body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(self._body) > self._most:
            await self._replace(self._too_large())
        elif more and self._announced is None:
            await self._replace(_endless())
        elif not more:
            body = bytes(self._body)
            headers = headers_text(self._start.get("headers", ()))
            self._claim.answer = KeptAnswer(self._start["status"], headers, body)
            start, self._start = self._start, None
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body})

    async def _repeat(self) -> None:
        """Give the answer that another request was given while this one was at work."""
        await context_of(self._scope).require_transaction().close("it was answered before")
        try:
            self._claim.require_same()
        except TrivetError as error:
            await self._replace(error)
            return
        self.is_replaced = True
        assert self._claim.found is not None
        await KeptResponse(self._claim.found)(self._scope, self._receive, self._send)

    async def _replace(self, error: TrivetError) -> None:
        self.is_replaced = True
        await error_response(self._scope, error)(self._scope, self._receive, self._send)
        self._claim.release()

    @property
    def _most(self) -> int:
        return self._claim.keys.answer_bytes

    def _too_large(self) -> TrivetError:
        return Invalid(
            "answer-too-large",
            f"The answer has more than the {self._most:,} bytes that are kept for an "
            "Idempotency-Key, so nothing was done. Ask for less at once, or leave the key out.",
        )


def _endless() -> TrivetError:
    return Invalid(
        "answer-is-a-stream",
        "The answer is a stream, which is not kept for an Idempotency-Key, so nothing was done. "
        "Leave the key out.",
    )


def _length_of(start: Message) -> int | None:
    """The announced length of an answer; None where it is not known before its end."""
    for name, value in start.get("headers", ()):
        if name.lower() == b"content-length" and value.isdigit():
            return int(value)
    return None
