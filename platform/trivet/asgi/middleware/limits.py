"""The limits of a request: its body, and the host that it names.

The host is checked here because the code behind trusts it: links, redirects, Django's own checks.
The probes are exempt, because an orchestrator reaches them by an address.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trivet.asgi.bodies import Bodies, Body, too_large
from trivet.asgi.headers import find_header
from trivet.asgi.host import HostCheck
from trivet.asgi.once import OnceLogger
from trivet.asgi.paths import path_below
from trivet.asgi.problem import refuse
from trivet.context import context_of
from trivet.errors import Malformed, TooLarge, TrivetError, UnsupportedMediaType

logger = logging.getLogger(__name__)

_ADVICE = (
    "a request for the host %s was refused: TRIVET_PUBLIC_URL names another one. A proxy in front "
    "has to pass the Host header on as it came (nginx: proxy_set_header Host $http_host)"
)
PROBES = frozenset({"/healthz", "/readyz"})


class LimitsMiddleware:
    """Refuses requests that exceed a limit.

    * 400: the host is not one of `hosts`, and the path is none of `open_paths`;
    * 415: the body is encoded;
    * 413: the body has more than `body_bytes`, or than `body_limits` has for the mount's prefix,
      announced or streamed;
    * 408: the request has waited for its body longer than `body_seconds`;
    * 503: the bodies of all requests together would have more than `held_bytes`.

    Reading a refused body raises an error in the app. Whatever the app does with it, the client
    gets the true reason, and the announcement that the connection ends.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        body_bytes: int,
        body_seconds: float,
        held_bytes: int,
        hosts: Sequence[str],
        body_limits: Mapping[str, int] = MappingProxyType({}),
        open_paths: Iterable[str] = (),
    ) -> None:
        self.app = app
        self.bodies = Bodies(
            body_bytes=body_bytes, seconds=body_seconds, held_bytes=held_bytes, limits=body_limits
        )
        self.hosts = HostCheck(hosts)
        self._open = PROBES.union(open_paths)
        self._unknown = OnceLogger(logger, _ADVICE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        limit = self.bodies.limit_of(path_below(scope))
        error = self._find_fault(scope, limit)
        if scope["type"] == "http" and (error is None or isinstance(error, TooLarge)):
            await self._run(scope, Body(self.bodies, receive, limit), send, error)
        elif error is not None:
            await refuse(scope, receive, send, error)
        else:
            await self.app(scope, receive, send)

    def _find_fault(self, scope: Scope, limit: int) -> TrivetError | None:
        hosts, announced, encoding = _read_head(scope)
        if hosts != 1 and not (hosts == 0 and scope.get("http_version") == "1.0"):
            # RFC 9112, 3.2: of two hosts each reader might believe another one.
            return Malformed("bad-host", "A request names one host, in one Host header.")
        path = path_below(scope)
        if path not in self._open and not self.hosts.accepts(scope):
            self._unknown.warn(find_header(scope, b"host") or "no host at all")
            return Malformed("unknown-host", "This site does not answer to the host it was asked.")
        if announced is not None:
            fault = _find_length_fault(announced.decode("latin-1"), limit)
            if fault is not None:
                return fault
        if encoding is not None and encoding.lower() != b"identity":
            return UnsupportedMediaType(
                "encoded-body", "Send the body as it is, without a Content-Encoding."
            )
        return None

    async def _run(self, scope: Scope, body: Body, send: Send, error: TrivetError | None) -> None:
        if error is not None:
            await body.refuse(scope, send, error)
            return
        context = context_of(scope)
        kept, context.stream_body = context.stream_body, body.stream
        answered = started = False

        async def honest_send(message: Message) -> None:
            nonlocal answered, started
            if answered:
                return
            if body.fault is not None and not started:
                answered = True
                await body.refuse(scope, send, body.fault)
                return
            started = True
            await send(message)

        try:
            await self.app(scope, body.receive, honest_send)
        except TrivetError as raised:
            if raised is not body.fault or started or answered:
                raise
            await body.refuse(scope, send, raised)
        finally:
            body.end()
            context.stream_body = kept  # or all of the request would wait for the collector


def _read_head(scope: Scope) -> tuple[int, bytes | None, bytes | None]:
    """How many hosts are named; the first Content-Length; the first Content-Encoding."""
    hosts, announced, encoding = 0, None, None
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"content-length" and announced is None:
            announced = value
        elif name == b"content-encoding" and encoding is None:
            encoding = value
    return hosts, announced, encoding


def _find_length_fault(announced: str, limit: int) -> TrivetError | None:
    if not (announced.isascii() and announced.isdigit()):
        return Malformed("bad-content-length", "Content-Length is not a number.")
    # Twenty digits are more than any body has, and too many to be worth converting.
    if len(announced) > 20 or int(announced) > limit:
        return too_large(limit)
    return None
