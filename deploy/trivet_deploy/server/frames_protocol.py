"""A WebSocket of uvicorn's that takes prepared messages, beside what ASGI says.

ASGI hands over text, which every server wraps in a frame, once for each socket. Where thousands get
the same, that is most of the work. This protocol stands in the scope, as
``scope["extensions"]["trivet.frames"]``, and an application that knows it may attach a receiver
after the accept (`trivet_realtime.direct_socket` says what both promise). From then on messages are
bytes that go to the transport as they are, what arrives is a call, and so is the news that the
transport is full or clear. An application that knows nothing of it has a WebSocket of plain ASGI.

It also ends what uvicorn decides alone. A stopping server closes every WebSocket with 1012 at once;
here the receiver is asked first, and says when. A close frame waits for all that the peer has not
read, at most `close_timeout`, after which the connection is cut. A text that is no UTF-8 is the
peer's mistake: it ends with 1007 and not with an error in our log. And what a peer may send without
end takes no memory: pings whose pongs it does not read, and empty fragments.
"""

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

if TYPE_CHECKING:
    from trivet_realtime.direct_socket import DirectReceiver

EXTENSION = "trivet.frames"
SUBPROTOCOL = "Sec-WebSocket-Protocol"


class FramesProtocol(WebSocketsSansIOProtocol):
    """See `trivet_realtime.direct_socket.DirectSocket` for the methods without an underscore."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._receiver: DirectReceiver | None = None
        self.is_clear = True

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

    def attach(self, receiver: "DirectReceiver") -> None:
        early = self.queue
        self._receiver = receiver
        self.queue = _Events(receiver)  # type: ignore[assignment]  # what the parent puts into it
        while not early.empty():
            self.queue.put_nowait(early.get_nowait())
        self.resume_reading()
        # They are of the handshake, and a connection lives long.
        del self.request, self.response
        self.writable = _WRITABLE

    @property
    def write(self) -> Any:
        return self.transport.write

    @property
    def waiting_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def end(self, code: int, reason: str, last: bytes) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.send_close(code, reason)
        self.transport.write(b"".join([last, *self.conn.data_to_send()]))
        self.close_sent = True
        # The peer's close frame is read too.
        self.resume_reading()
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def pause_writing(self) -> None:
        self.is_clear = False
        if self._receiver is None:
            super().pause_writing()
        else:
            self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self.is_clear = True
        if self._pong:
            pong, self._pong = self._pong, b""
            self.transport.write(pong)
        if self._receiver is None:
            super().resume_writing()
        else:
            self._receiver.resume_writing()

    def handle_ping(self) -> None:
        # A peer is owed a pong to its last ping alone (RFC 6455, 5.5.3).
        output = self.conn.data_to_send()
        if self.is_clear or self.conn.close_sent is not None:
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
        # The parent reads one message at a time, and here nobody would ask for the next.
        if self._receiver is not None and not self._receiver.is_full:
            self.resume_reading()

    def _refuse_text(self) -> None:
        # Behind it, in the same bytes, the peer may have sent a close frame, or a mistake, which
        # `conn` has read already and answered.
        if self.conn.close_sent is None:
            self.conn.send_close(CloseCode.INVALID_DATA)
        self.handle_parser_exception()

    def shutdown(self) -> None:
        if self._receiver is None or self.close_sent or self.transport.is_closing():
            super().shutdown()
        else:
            self._receiver.shut_down()


_WRITABLE = asyncio.Event()
"""In the place of the parent's own: with a receiver, nobody waits for it any more."""
_WRITABLE.set()


class _Events:
    """In the place of the parent's queue: what it puts there reaches the receiver at once."""

    def __init__(self, receiver: "DirectReceiver") -> None:
        self._receiver = receiver

    def put_nowait(self, event: Any) -> None:
        if event["type"] == "websocket.receive":
            self._receiver.take(event.get("text"))
        elif event["type"] == "websocket.disconnect":
            self._receiver.lose()
