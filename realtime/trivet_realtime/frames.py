"""What is written to clients: encoded once, and shared by all that get the same.

A frame is one or more JSON objects, one a line. A WebSocket carries it as a text message whose
header (RFC 6455, 5.2) depends on the length alone, because a server does not mask. So the whole
message can be built once for any number of sockets.
"""

from collections.abc import Iterable, Iterator, Sequence

PART_BYTES = 64 * 1024
"""The size from which frames are not joined any further."""
_TEXT = 0x81
"""A text message in a single fragment (FIN and opcode 1)."""


class Frame:
    """Encoded objects, immutable once made. `payload` is JSON in UTF-8, one object a line."""

    __slots__ = ("_message", "payload")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self._message: bytes | None = None

    def __len__(self) -> int:
        return len(self.payload)

    @property
    def message(self) -> bytes:
        """The WebSocket message that carries the payload, with its header."""
        if self._message is None:
            self._message = _header(len(self.payload)) + self.payload
        return self._message


def join(frames: Iterable[Frame]) -> Frame:
    """The objects of all `frames` as one frame."""
    return Frame(b"\n".join([frame.payload for frame in frames]))


def join_in_parts(frames: Sequence[Frame]) -> Iterator[Frame]:
    """The objects of all `frames`, in order, as frames of about `PART_BYTES`."""
    start, size = 0, 0
    for end, frame in enumerate(frames):
        if end > start and size + len(frame) > PART_BYTES:
            yield _join(frames[start:end])
            start, size = end, 0
        size += len(frame)
    if frames:
        yield _join(frames[start:])


def _join(frames: Sequence[Frame]) -> Frame:
    # One that others get too has its message once for all of them.
    return frames[0] if len(frames) == 1 else join(frames)


def _header(length: int) -> bytes:
    if length < 126:
        return bytes((_TEXT, length))
    if length < 65536:
        return bytes((_TEXT, 126)) + length.to_bytes(2, "big")
    return bytes((_TEXT, 127)) + length.to_bytes(8, "big")
