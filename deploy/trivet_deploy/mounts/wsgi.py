"""A WSGI application as an ASGI one, on a bounded pool of threads that ends with the process.

Bodies pass in both directions piece by piece, whatever their size and framing. A chunked body is
readable like any other, because ``wsgi.input`` ends where the body ends, and the environment says
so (``wsgi.input_terminated``, which Gunicorn and the other servers set too). The application's
iterable is closed however the response ended, a client that left included (PEP 3333).
"""

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from starlette.types import Receive, Scope, Send

from trivet_deploy.mounts.wsgi_environ import build_environ
from trivet_deploy.mounts.wsgi_input import BrokenExchange, Incoming, open_input

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]
WsgiCallable = Callable[[dict[str, Any], Any], Iterable[bytes]]


class WsgiApplication:
    """Serves `app` with at most `threads` requests at once; more of them queue.

    At shutdown, requests in threads are waited for, before the database is closed.
    """

    def __init__(self, app: WsgiCallable, threads: int) -> None:
        self._app = app
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="wsgi")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        loop = asyncio.get_running_loop()
        incoming = Incoming(receive)
        exchange = _Exchange(loop, incoming, send)
        environ = build_environ(scope, open_input(loop, incoming))
        context = contextvars.copy_context()
        try:
            await loop.run_in_executor(
                self._executor, context.run, exchange.run, self._app, environ
            )
        finally:
            incoming.stop()

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        # Waiting belongs on a thread: the requests in the pool need this loop to finish.
        await asyncio.to_thread(self._executor.shutdown)
        await send({"type": "lifespan.shutdown.complete"})


class _Exchange:
    """One request and its response, on the application's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, incoming: Incoming, send: Send) -> None:
        self._loop = loop
        self._incoming = incoming
        self._send = send
        self._head: dict[str, Any] | None = None
        self._is_head_sent = False
        self._fault: ExceptionInfo | None = None

    def run(self, app: WsgiCallable, environ: dict[str, Any]) -> None:
        """Call the application and send what it gives. A client that left ends it early.

        Raises what refused the body, so that the client is told.
        """
        try:
            self._run(app, environ)
        except BrokenExchange as broken:
            if broken.__cause__ is not None:
                raise broken.__cause__ from None
            return
        if self._fault is not None:
            raise self._fault[1].with_traceback(self._fault[2])

    def _run(self, app: WsgiCallable, environ: dict[str, Any]) -> None:
        result = app(environ, self._start_response)
        try:
            for chunk in result:
                if chunk:
                    self._write(chunk)
            self._emit({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExceptionInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info is not None:
            if self._is_head_sent:  # too late for another answer: this one breaks off
                raise exc_info[1].with_traceback(exc_info[2])
            self._fault = exc_info
        elif self._head is not None:
            raise RuntimeError("start_response was called twice without exc_info (PEP 3333)")
        self._head = {
            "type": "http.response.start",
            "status": int(status.split(" ", 1)[0]),
            "headers": [
                (name.strip().lower().encode("latin-1"), value.strip().encode("latin-1"))
                for name, value in headers
            ],
        }
        return self._write

    def _write(self, chunk: bytes) -> None:
        self._emit({"type": "http.response.body", "body": chunk, "more_body": True})

    def _emit(self, message: dict[str, Any]) -> None:
        """Send `message`, and before the first one the head, which until then can be replaced."""
        if self._head is None:
            raise RuntimeError("the application gave a body before it called start_response")
        asyncio.run_coroutine_threadsafe(self._pass_on(message), self._loop).result()

    async def _pass_on(self, message: dict[str, Any]) -> None:
        if not self._is_head_sent:
            self._is_head_sent = True
            assert self._head is not None
            await self._send(self._head)
        # Servers take what is sent to a client that left, without a word and without end.
        self._incoming.listen()
        if self._incoming.is_gone:
            raise BrokenExchange("the client left before the end of the response")
        await self._send(message)
