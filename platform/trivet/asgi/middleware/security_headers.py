"""Security headers, for every response of every mount."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'none'"
)
HSTS_SECONDS = 31_536_000
"""A year, the least that browsers' preload lists ask for."""


class SecurityHeadersMiddleware:
    """Sets what a response does not set itself: everything comes from this site, nothing
    is sniffed, nobody frames it. `https` adds Strict-Transport-Security."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self.app = app
        headers = {
            "content-security-policy": CONTENT_SECURITY_POLICY,
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }
        if https:
            headers["strict-transport-security"] = f"max-age={HSTS_SECONDS}"
        # As the server takes them, so that nothing is encoded again for every response.
        self.headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                own = list(message.get("headers", ()))
                named = {name.lower() for name, _ in own}
                ours = [header for header in self.headers if header[0] not in named]
                message["headers"] = own + ours
            await send(message)

        await self.app(scope, receive, send_with_headers)
