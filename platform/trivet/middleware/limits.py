"""Limits: how much a request may bring."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.errors import Malformed, TooLarge
from trivet.problem import refuse


class LimitsMiddleware:
    """Refuses a body of more than `body_bytes`, announced or streamed, with 413.

    A streamed body that grows past the bound ends the read with an error; whatever the
    app then makes of that error, the client is told the true reason.
    """

    def __init__(self, app: ASGIApp, *, body_bytes: int) -> None:
        if body_bytes <= 0:
            raise ValueError("body_bytes is a positive number of bytes")
        self.app = app
        self.body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()):
            error = Malformed("bad-content-length", "Content-Length is not a number.")
            await refuse(scope, receive, send, error)
        elif int(announced) > self.body_bytes:
            await refuse(scope, receive, send, self._too_large())
        else:
            await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0
        exceeded = answered = started = False

        async def bounded_receive() -> Message:
            nonlocal received, exceeded
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.body_bytes:
                exceeded = True
                raise self._too_large()
            return message

        async def honest_send(message: Message) -> None:
            nonlocal answered, started
            if answered:
                return
            if exceeded and not started:
                answered = True
                await refuse(scope, receive, send, self._too_large())
                return
            started = True
            await send(message)

        await self.app(scope, bounded_receive, honest_send)

    def _too_large(self) -> TooLarge:
        return TooLarge(
            "body-too-large",
            f"The body is larger than {self.body_bytes} bytes. Send it in smaller parts.",
            limit_bytes=self.body_bytes,
        )
