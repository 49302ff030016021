"""A WebSocket of uvicorn's that takes prepared messages, beside what ASGI says.

ASGI hands over text, which every server wraps in a frame, once for each socket. Where thousands get
the same, that is most of the work. And an ASGI call lives as long as its socket, with all the
middleware that it came through. This protocol stands in the scope, as
``scope["extensions"]["trivet.frames"]``, and an application that knows it may attach a receiver
after the accept (`trivet_realtime.direct_socket` says what both promise). From then on messages are
bytes that go to the transport as they are, what arrives is a call, and so is the news that the
transport is full or clear. The application may return, and the socket stays open. An application
that knows nothing of it has a WebSocket of plain ASGI.

It also ends what uvicorn decides alone. A stopping server closes every WebSocket with 1012 at once;
here the receiver is asked first, and says when. A close frame waits for all that the peer has not
read, at most `close_timeout`, after which the connection is cut. A text that is no UTF-8 is the
peer's mistake: it ends with 1007 and not with an error in our log. And what a peer may send without
end takes no memory: pings whose pongs it does not read, and empty fragments.
"""

from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from trivet_deploy.server.open_socket import OpenSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from trivet_realtime.direct_socket import DirectReceiver, DirectSocket

EXTENSION = "trivet.frames"
SUBPROTOCOL = "Sec-WebSocket-Protocol"


class FramesProtocol(WebSocketsSansIOProtocol):
    """Does the handshake. What is attached then is served by an `OpenSocket`."""

    _is_attached = False
    _is_clear = True
    _pong = b""
    """The one that is owed to a peer that does not read. Here, because hardly a connection has it.
    """

    def handle_connect(self, event: Any) -> None:
        offered = event.headers.get_all(SUBPROTOCOL)
        if offered and not any(map(str.strip, offered)):
            # Some SDKs say so that they ask for none. Others would be refused with 400.
            del event.headers[SUBPROTOCOL]
        super().handle_connect(event)
        if not self.close_sent:
            # The task that runs the application has not begun yet.
            cast("dict[str, Any]", self.scope["extensions"])[EXTENSION] = self

    def attach(self, make_receiver: "Callable[[DirectSocket], DirectReceiver]") -> OpenSocket:
        self._is_attached = True
        self.stop_keepalive()
        socket = OpenSocket(
            self.transport,
            self.connections,
            max_size=self.config.ws_max_size,
            close_timeout=self.close_timeout,
        )
        socket.is_clear = self._is_clear
        receiver = make_receiver(socket)
        if not self.disconnected:
            self.connections.discard(self)
            socket.serve(receiver)
        while not self.queue.empty():
            event = self.queue.get_nowait()
            if event["type"] == "websocket.receive":
                receiver.take(event.get("text"))
            elif event["type"] == "websocket.disconnect":
                receiver.lose()
        socket.read_on(self.conn, self.frames, is_text=self.curr_msg_data_type == "text")
        # The scope names this object, which names the scope.
        cast("dict[str, Any]", self.scope["extensions"]).pop(EXTENSION)
        return socket

    async def run_asgi(self) -> None:
        """As the parent, except that a socket lives on when the application has returned."""
        app = self.app

        async def call(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
            if self.initial_response is not None and self.close_sent:
                # The parent would take a refusal with words for none, and log a fault of ours.
                self.handshake_complete = True
            if self._is_attached:
                # The parent closes the transport at the end, unless a timer will.
                self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)
                self.close_timer.cancel()

        self.app = call
        await super().run_asgi()
        self.app = app

    def pause_writing(self) -> None:
        self._is_clear = False
        super().pause_writing()

    def resume_writing(self) -> None:
        self._is_clear = True
        if self._pong:
            pong, self._pong = self._pong, b""
            self.transport.write(pong)
        super().resume_writing()

    def handle_ping(self) -> None:
        # A peer is owed a pong to its last ping alone (RFC 6455, 5.5.3).
        output = self.conn.data_to_send()
        if self._is_clear or self.conn.close_sent is not None:
            self.transport.write(b"".join(output))
        elif output:
            self._pong = output[-1]

    def handle_cont(self, event: Any) -> None:
        # Joined as they come: the parent would keep each by itself, however small it is.
        before = cast("bytes | bytearray", self.frames[0])
        joined = before if isinstance(before, bytearray) else bytearray(before)
        joined += event.data
        self.frames = [cast("bytes", joined)]
        if event.fin:
            self.frames = [bytes(joined)]
            self.send_receive_event_to_app()

    def send_receive_event_to_app(self) -> None:
        if self.curr_msg_data_type == "text" and not self.close_sent:
            (data,) = self.frames
            try:
                data.decode()
            except UnicodeDecodeError:
                self._refuse_text()
                return
        super().send_receive_event_to_app()

    def _refuse_text(self) -> None:
        # Behind it, in the same bytes, the peer may have sent a close frame, or a mistake, which
        # `conn` has read already and answered.
        if self.conn.close_sent is None:
            self.conn.send_close(CloseCode.INVALID_DATA)
        self.handle_parser_exception()
