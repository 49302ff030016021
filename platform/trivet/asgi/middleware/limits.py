"""Limits: what a request may bring, and under which name it may come.

The host is checked here because everything behind believes it: links, redirects, Django's
own checks. The probes are exempt, as an orchestrator asks for them by address.
"""

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.headers import find_header
from trivet.asgi.problem import refuse
from trivet.errors import Malformed, TooLarge, TrivetError, UnsupportedMediaType

PROBES = frozenset({"/healthz", "/readyz"})


class LimitsMiddleware:
    """Refuses a host that is not one of `hosts` (400), an encoded body (415) and a body of
    more than `body_bytes`, announced or streamed (413).

    A streamed body that grows past the bound ends the read with an error; whatever the
    app then makes of that error, the client is told the true reason.
    """

    def __init__(self, app: ASGIApp, *, body_bytes: int, hosts: Sequence[str]) -> None:
        if body_bytes <= 0:
            raise ValueError("body_bytes is a positive number of bytes")
        self.app = app
        self.body_bytes = body_bytes
        self.hosts = frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        error = self._find_fault(scope)
        if error is not None:
            await refuse(scope, receive, send, error)
        elif scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self._run(scope, receive, send)

    def _find_fault(self, scope: Scope) -> TrivetError | None:
        host = find_header(scope, b"host") or ""
        if scope["path"] not in PROBES and _host_name(host) not in self.hosts:
            return Malformed("unknown-host", "This site does not answer to the host it was asked.")
        announced = find_header(scope, b"content-length")
        if announced is not None:
            fault = self._find_length_fault(announced)
            if fault is not None:
                return fault
        encoding = find_header(scope, b"content-encoding")
        if encoding is not None and encoding.lower() != "identity":
            return UnsupportedMediaType(
                "encoded-body", "Send the body as it is, without a Content-Encoding."
            )
        return None

    def _find_length_fault(self, announced: str) -> TrivetError | None:
        if not (announced.isascii() and announced.isdigit()):
            return Malformed("bad-content-length", "Content-Length is not a number.")
        # Twenty digits are more than any body has, and too many to be worth converting.
        if len(announced) > 20 or int(announced) > self.body_bytes:
            return self._too_large()
        return None

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


def _host_name(host: str) -> str:
    """The name in a Host header, without its port; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host[: host.find("]") + 1]
    return host.partition(":")[0].lower()
