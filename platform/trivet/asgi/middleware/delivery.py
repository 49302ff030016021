"""The delivery: the relay wakes up after the commit."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.broker import Publisher
from trivet.context import context_of
from trivet.events.wake_up import publish_wake_up


class DeliveryMiddleware:
    """Wakes the relay for the publications of a request, when the response begins: the commit came
    before that. Other units of work wake it themselves."""

    def __init__(self, app: ASGIApp, *, broker: Publisher) -> None:
        self.app = app
        self.broker = broker

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        context = context_of(scope)

        async def send_and_wake(message: Message) -> None:
            try:
                await send(message)
            finally:
                # Also if the client has left: the commit is done.
                if message["type"] == "http.response.start":
                    publish_wake_up(self.broker, context.published)

        await self.app(scope, receive, send_and_wake)
