"""The position up to which a client has written, which travels with the client.

A browser carries it in a cookie, a program in the header ``Trivet-Position`` that it sends back as
it came. So any process can tell which replica shows what this client has written, and no store is
asked. The position is not signed: a false one keeps its sender from replicas, or shows its sender
what anybody may see who has written nothing.
"""

from collections.abc import Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.asgi.middleware.cors import ALLOWED_ORIGIN
from trivet.context import context_of
from trivet.data.replicas.client import ClientPosition, enter_client
from trivet.data.replicas.position import BEYOND, WalPosition

HEADER = b"trivet-position"
COOKIE_SECONDS = 3600
"""Longer than any replica that is read from may be behind."""


class PositionMiddleware:
    """Reads the position of a request, and tells that of a commit with the response.

    Of several positions the latest counts, and what cannot be read stands for one that no
    replica has. A program that identifies itself by ``Authorization`` and sends no position reads
    from the primary too: it may have written, and nobody would know.

    Args:
        cookie: The full name of the cookie.
        secure: Whether the cookie may travel only over HTTPS.
    """

    def __init__(self, app: ASGIApp, *, cookie: str, secure: bool) -> None:
        self.app = app
        self._cookie = cookie.encode()
        attributes = f"Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax"
        self._attributes = (attributes + ("; Secure" if secure else "")).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        client = ClientPosition(self._find(scope))
        context_of(scope).client = client

        async def send_with_position(message: Message) -> None:
            if message["type"] == "http.response.start" and client.written is not None:
                told = self._tell(scope, str(client.written).encode())
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        leave = enter_client(client)
        try:
            await self.app(scope, receive, send_with_position)
        finally:
            leave()

    def _find(self, scope: Scope) -> WalPosition | None:
        given = [str(value, "latin-1") for name, value in scope["headers"] if name == HEADER]
        if not given and find_header(scope, b"authorization") is not None:
            return BEYOND
        given += self._cookies(scope)
        return max(map(WalPosition.parse, given), default=None)

    def _cookies(self, scope: Scope) -> Iterator[str]:
        for name, value in scope["headers"]:
            if name == b"cookie" and self._cookie in value:
                for pair in value.split(b";"):
                    key, _, text = pair.strip().partition(b"=")
                    if key == self._cookie:
                        yield str(text, "latin-1")

    def _tell(self, scope: Scope, position: bytes) -> Iterator[tuple[bytes, bytes]]:
        yield HEADER, position
        # Others keep no cookies, or may not have them.
        if ALLOWED_ORIGIN not in scope and find_header(scope, b"authorization") is None:
            yield b"set-cookie", self._cookie + b"=" + position + b"; " + self._attributes
