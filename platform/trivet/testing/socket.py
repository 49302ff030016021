"""A client of the realtime protocol, in the process of the application.

It speaks ASGI to the application and the Centrifuge protocol (version 2, JSON) through it, so
that a test needs neither a port nor an SDK. Every wait has a bound: a message that does not come
is a TimeoutError that names it.
"""

import contextlib
import json
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.from_thread import BlockingPortal
from starlette.types import ASGIApp, Message

WAIT_SECONDS = 5.0
_CHANNEL_REFUSED = frozenset({102, 103})
"""The protocol's codes for a channel that is unknown, and for one that is not for this user."""


class SocketClosed(Exception):
    """The application closed the socket.

    Attributes:
        code: The close code of the protocol; the HTTP status if the handshake was refused.
        reason: The reason that the application gave.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}")
        self.code = code
        self.reason = reason


class Socket:
    """A socket at ``/ws``. A ``with`` block connects it and closes it.

    Args:
        app: The application.
        portal: The portal of the event loop in which it runs.
        headers: Headers of the handshake, such as ``host`` and ``cookie``.
        path: The path of the realtime room.
        wait_seconds: The longest wait for a reply or a publication.
    """

    def __init__(
        self,
        app: ASGIApp,
        portal: BlockingPortal,
        headers: Mapping[str, str],
        *,
        path: str = "/ws",
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._app = app
        self._portal = portal
        self._headers = headers
        self._path = path
        self._wait_seconds = wait_seconds
        self._commands = 0
        self._objects: deque[Any] = deque()
        self._publications: deque[dict[str, Any]] = deque()

    def __enter__(self) -> Self:
        self._to_app, self._from_client = anyio.create_memory_object_stream[Message](100)
        self._to_client, self._from_app = anyio.create_memory_object_stream[Message](10_000)
        self._running = self._portal.start_task_soon(self._run)
        self._send({"type": "websocket.connect"})
        try:
            self._shake_hands()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._running.done():
            self._send({"type": "websocket.disconnect", "code": 1000, "reason": ""})
        try:
            self._running.result(self._wait_seconds)
        finally:
            self._to_app.close()
            self._from_app.close()

    def command(self, **method: Mapping[str, Any]) -> dict[str, Any]:
        """Send one command and return its result.

        Args:
            **method: The method and its parameters: ``history={"channel": "a:b"}``.

        Returns:
            The result of the method, as the protocol has it.

        Raises:
            ProtocolError: The application answered with an error.
            SocketClosed: The application closed the socket instead.
            TimeoutError: The application did not answer in time.
        """
        self._commands += 1
        number = self._commands
        self.send({"id": number, **method})
        while True:
            reply = self._next_object(f"the reply to {method}")
            if reply.get("id") == number:
                break
            self._keep(reply)
        if "error" in reply:
            error = reply["error"]
            raise ProtocolError(error["code"], error["message"] + _advice(error["code"], method))
        found: dict[str, Any] = reply[next(iter(method))]
        return found

    def subscribe(self, channel: str, **options: Any) -> dict[str, Any]:
        """Subscribe to a channel.

        Args:
            channel: The channel's name.
            **options: Options of the protocol, such as ``recover``, ``epoch`` and ``offset``.

        Returns:
            The result, as the protocol has it. Recovered publications are read by
            `next_publication` too.

        Raises:
            ProtocolError: The application refused the subscription.
            SocketClosed: The application closed the socket instead.
            TimeoutError: The application did not answer in time.
        """
        result = self.command(subscribe={"channel": channel, **options})
        for publication in result.get("publications", ()):
            self._publications.append({"channel": channel, **publication})
        return result

    def next_publication(self) -> dict[str, Any]:
        """Wait for the next publication of any subscribed channel.

        Returns:
            The data of the publication: the fields of the event, with ``type``.

        Raises:
            TimeoutError: No publication came in time.
            SocketClosed: The application closed the socket.
        """
        data: dict[str, Any] = self.next_push()["data"]
        return data

    def next_push(self) -> dict[str, Any]:
        """Wait as `next_publication` does.

        Returns:
            The publication with ``channel``, ``offset`` and ``data``.

        Raises:
            TimeoutError: No publication came in time.
            SocketClosed: The application closed the socket.
        """
        while not self._publications:
            self._keep(self._next_object("a publication"))
        return self._publications.popleft()

    def wait_closed(self) -> SocketClosed:
        """Wait until the application closes the socket.

        Returns:
            The code and the reason of the close.

        Raises:
            TimeoutError: The socket stayed open.
        """
        while True:
            try:
                self._keep(self._next_object("the end of the socket"))
            except SocketClosed as closed:
                return closed

    def send(self, *objects: Any) -> None:
        """Send objects in one frame, one JSON document on each line.

        Args:
            *objects: Commands of the protocol, or anything else that JSON can hold.
        """
        text = "\n".join(json.dumps(each) for each in objects)
        self._send({"type": "websocket.receive", "text": text})

    def _shake_hands(self) -> None:
        opened = self._receive("the handshake")
        if opened["type"] == "websocket.http.response.start":
            raise SocketClosed(int(opened["status"]), "the handshake was refused by this status")
        if opened["type"] != "websocket.accept":
            raise SocketClosed(_code(opened), str(opened.get("reason", "")))
        self.command(connect={})

    def _keep(self, received: Any) -> None:
        push = received.get("push", {})
        if not received:
            self.send({})  # a ping wants a pong
        elif "pub" in push:
            self._publications.append({"channel": push["channel"], **push["pub"]})

    def _next_object(self, what: str) -> Any:
        while not self._objects:
            message = self._receive(what)
            if message["type"] == "websocket.close":
                raise SocketClosed(_code(message), str(message.get("reason", "")))
            lines = str(message.get("text") or "").split("\n")
            self._objects.extend(json.loads(line) for line in lines if line)
        return self._objects.popleft()

    def _send(self, message: Message) -> None:
        # An application that has ended reads nothing more, but its last messages can be read.
        with contextlib.suppress(anyio.BrokenResourceError):
            self._portal.call(self._to_app.send, message)

    def _receive(self, what: str) -> Message:
        return self._portal.call(self._receive_in_time, what)

    async def _receive_in_time(self, what: str) -> Message:
        try:
            with anyio.fail_after(self._wait_seconds):
                return await self._from_app.receive()
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {self._wait_seconds:g} s") from None
        except anyio.EndOfStream:
            raise SocketClosed(1006, "the application ended without closing") from None

    async def _run(self) -> None:
        headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
        host, _, port = self._headers.get("host", "localhost").partition(":")
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "server": (host, int(port or 80)),
            "client": ("127.0.0.1", 50_000),
            "root_path": "",
            "path": self._path,
            "raw_path": self._path.encode(),
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
            "state": {},
            "extensions": {"websocket.http.response": {}},
        }
        async with self._to_client, self._from_client:
            await self._app(scope, self._from_client.receive, self._to_client.send)


class ProtocolError(Exception):
    """The application answered a command with an error of the protocol.

    Attributes:
        code: The error code of the protocol.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


def _advice(code: int, method: Mapping[str, Any]) -> str:
    """What to look at when a channel is refused: the protocol says a number and two words."""
    channel = method.get("subscribe", {}).get("channel")
    if channel is None or code not in _CHANNEL_REFUSED:
        return ""
    feature = channel.partition(":")[0]
    return (
        f", to subscribe to {channel!r}. Cure: a live(…) in {feature}/events.py or a @channel in "
        f"{feature}/realtime.py has to open it, and this user needs the permission for which that "
        "asks"
    )


def _code(message: Message) -> int:
    return int(message.get("code", 1000))
