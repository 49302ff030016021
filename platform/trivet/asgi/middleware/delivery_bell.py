"""The delivery bell: once the commit is done, wake whoever delivers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.context import context_of
from trivet.delivery.broker import Bell


class DeliveryBellMiddleware:
    """Rings `bell` for what the request's unit published, as soon as its response begins: the
    commit came before that. Whatever else commits rings by itself."""

    def __init__(self, app: ASGIApp, *, bell: Bell) -> None:
        self.app = app
        self.bell = bell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = context_of(scope)

        async def send_and_ring(message: Message) -> None:
            try:
                await send(message)
            finally:
                # Also if the client is gone: what is committed is committed.
                if message["type"] == "http.response.start":
                    self.bell.ring(context.published)

        await self.app(scope, receive, send_and_ring)
