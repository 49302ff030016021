"""An error with a public meaning that a mounted application lets out is answered as everywhere.

Starlette, and FastAPI with it, answers an exception that nobody caught with a 500 of its own, and
raises it again behind that. For a fault this is right. But a service of the house raises what it
refuses (`TrivetError`), and a database what it cannot store; there the root has a better answer:
404, 409, 422 with a problem document. So a whole answer of 500 waits here until the application
has returned, and gives way if such an error follows it.

A framework that answers every exception itself and raises none (Flask, Quart, Litestar, BlackSheep
and Sanic by default) has to be told by its own means; see `docs/http.md`.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.data.errors import explain


class ErrorsRaised:
    """Serves `app`, and raises its errors that have a public meaning in place of its own 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if message.get("status") == HTTPStatus.INTERNAL_SERVER_ERROR or held:
                held.append(message)
            else:
                await send(message)
            # An answer that comes in pieces is no framework's last resort.
            if message.get("more_body"):
                await release()

        async def release() -> None:
            messages = held[:]
            held.clear()
            for message in messages:
                await send(message)

        try:
            await self.app(scope, receive, hold)
        except Exception as error:
            if explain(error) is None:
                await release()
            raise
        await release()
