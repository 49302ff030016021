"""An open WebSocket without a task, a queue or a parser of its own: what thousands may be.

After the handshake, uvicorn's protocol keeps the request, its headers, a queue, and a parser with
its state, some kilobytes for as long as the socket lives. This one takes the transport over and
keeps what an idle socket needs. Frames are read by the parser of `websockets`, which exists from
the first byte of a message to its last.

What a peer may send without end takes no memory here either: pings whose pongs it does not read,
and empty fragments.
"""

import asyncio
import inspect
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER, Protocol
from websockets.streams import StreamReader

if TYPE_CHECKING:
    from trivet_realtime.direct_socket import DirectReceiver

logger = logging.getLogger("uvicorn.error")


class OpenSocket(asyncio.Protocol):
    """See `trivet_realtime.direct_socket.DirectSocket` for what the application calls."""

    __slots__ = (
        "_close_timer",
        "_connections",
        "_is_text",
        "_max_size",
        "_message",
        "_parser",
        "_pong",
        "_receiver",
        "_transport",
        "close_timeout",
        "descriptor",
        "is_clear",
        "write",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        connections: set[Any],
        *,
        max_size: int | None,
        close_timeout: float,
    ) -> None:
        """Of `connections` a stopping server asks each to go, and waits for it. A message may have
        `max_size` bytes, and a peer `close_timeout` seconds to answer a close frame."""
        self._transport = transport
        self._connections = connections
        self._max_size = max_size
        self._message: bytearray | None = None
        self._is_text = True
        self._parser: Protocol | None = None
        self._pong = b""
        self._close_timer: asyncio.TimerHandle | None = None
        self.close_timeout = close_timeout
        self.is_clear = True
        self.write: Callable[[bytes], object] = transport.write
        self.descriptor = _find_descriptor(transport)
        if self.descriptor >= 0:
            # What goes past the transport must not overtake anything: clear means empty.
            transport.set_write_buffer_limits(high=0)

    def serve(self, receiver: "DirectReceiver") -> None:
        """Call `receiver` from now on, and be the transport's protocol."""
        self._receiver = receiver
        self._connections.add(self)
        self._transport.set_protocol(self)

    def read_on(self, parser: Protocol, begun: Collection[bytes], *, is_text: bool) -> None:
        """Read on with `parser`, which has read the handshake and what came with it. `begun` are
        the first fragments of a message."""
        self._parser = parser
        self._message = bytearray(b"".join(begun)) if begun else None
        self._is_text = is_text
        self._let_parser_go()
        self.resume_reading()

    # for the application

    @property
    def waiting_bytes(self) -> int:
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def end(self, code: int, reason: str, last: bytes) -> None:
        if self._close_timer is not None or self._transport.is_closing():
            return
        parser = self._parser = self._parser or self._make_parser()
        parser.send_close(code, reason)
        self.write(b"".join([last, *parser.data_to_send()]))
        # The peer's close frame is read too.
        self.resume_reading()
        self._bound_closing()

    # for the server

    def shutdown(self) -> None:
        if self._close_timer is None and not self._transport.is_closing():
            self._receiver.shut_down()

    # for the transport

    def data_received(self, data: bytes) -> None:
        parser = self._parser = self._parser or self._make_parser()
        parser.receive_data(data)
        for event in parser.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if parser.parser_exc is not None:
            self._close(parser)
            return
        pongs = parser.data_to_send()
        if pongs and self.is_clear:
            self.write(b"".join(pongs))
        elif pongs:
            # A peer is owed a pong to its last ping alone (RFC 6455, 5.5.3).
            self._pong = pongs[-1]
        self._let_parser_go()

    def pause_writing(self) -> None:
        self.is_clear = False
        self._receiver.pause_writing()

    def resume_writing(self) -> None:
        self.is_clear = True
        if self._pong:
            pong, self._pong = self._pong, b""
            self.write(pong)
        self._receiver.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the transport's own
        self._connections.discard(self)
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._parser = None
        self._receiver.lose()
        # The two know each other, and would wait for the garbage collector.
        del self._receiver

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._close(self._parser)
        elif self._close_timer is not None or self._transport.is_closing():
            return  # The application has said its last word.
        elif frame.opcode is Opcode.CONT:
            assert self._message is not None
            self._message += frame.data
            if frame.fin:
                message, self._message = self._message, None
                self._give(message)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self._give(frame.data)
            else:
                self._message = bytearray(frame.data)

    def _give(self, message: Any) -> None:
        if not self._is_text:
            self._receiver.take(None)
            return
        try:
            text = str(message, "utf-8")
        except UnicodeDecodeError:
            parser = self._parser
            assert parser is not None
            parser.fail(CloseCode.INVALID_DATA)
            self._close(parser)
        else:
            self._receiver.take(text)

    def _close(self, parser: Protocol | None) -> None:
        """Write what `parser` answers to a close frame or to a fault, and close."""
        if self._transport.is_closing():
            return
        if self._close_timer is None:
            assert parser is not None
            self.write(b"".join(parser.data_to_send()))
            self._bound_closing()
        self._transport.close()
        self._receiver.lose()

    def _bound_closing(self) -> None:
        loop = asyncio.get_running_loop()
        self._close_timer = loop.call_later(self.close_timeout, self._transport.abort)

    # The parser

    def _make_parser(self) -> Protocol:
        return Protocol(SERVER, state=OPEN, max_size=self._max_size, logger=logger)

    def _let_parser_go(self) -> None:
        """Keep no parser that knows nothing more than a new one would."""
        parser = self._parser
        if (
            parser is not None
            and parser.state is OPEN
            and self._message is None
            and not parser.extensions
            and _is_between_frames(parser)
        ):
            # Otherwise its frame would hold it until the next collection.
            parser.parser.close()
            self._parser = None


def _find_descriptor(transport: asyncio.Transport) -> int:
    """Of the socket that gets what `transport` is given, byte for byte; -1 if there is none."""
    sock = transport.get_extra_info("socket")
    if sock is None or transport.is_closing() or transport.get_extra_info("sslcontext") is not None:
        return -1
    return int(sock.fileno())


def _is_between_frames(parser: Protocol) -> bool:
    """Whether a parser waits for the first byte of a frame. A parser of another make than is known
    here never does, and is kept."""
    waiting: Any = parser.parser
    while inspect.isgenerator(waiting.gi_yieldfrom):
        waiting = waiting.gi_yieldfrom
    return waiting.gi_code is StreamReader.at_eof.__code__
