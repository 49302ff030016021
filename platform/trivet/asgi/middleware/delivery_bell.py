"""The delivery bell: once the commit is done, wake whoever delivers."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.context import RequestContext, context_of
from trivet.delivery.broker import Bell


class DeliveryBellMiddleware:
    """Rings `bell` for what the request published, as soon as its response begins (the
    commit came before that), and once more at its end for what was committed later."""

    def __init__(self, app: ASGIApp, *, bell: Bell) -> None:
        self.app = app
        self.bell = bell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        context = context_of(scope)

        async def send_and_ring(message: Message) -> None:
            await send(message)
            self._ring(context)

        try:
            await self.app(scope, receive, send_and_ring)
        finally:
            self._ring(context)

    def _ring(self, context: RequestContext) -> None:
        if context.published:
            published, context.published = context.published, {}
            self.bell.ring(published)
