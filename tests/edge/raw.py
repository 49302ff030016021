"""One raw connection: bytes go out, and answers are read by their framing and by nothing else."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which a silent server has failed. No claim rests on it."""

Address = tuple[str, int] | Path
"""A port of TCP, or a unix socket."""


class Closed(Exception):
    """The connection ended where an answer was still to come."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. `headers` have their names in lower case, and several lines in their order."""

    version: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def get(self, name: str) -> str:
        """All values of one header, with commas between them."""
        return ", ".join(value for each, value in self.headers if each == name)

    @property
    def announces_close(self) -> bool:
        return "close" in self.get("connection").lower()


class RawConnection:
    """What is sent is sent as it stands."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._read = b""

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._socket.sendall(piece)

    def ask(self, request: bytes) -> Answer:
        """Send one request and read its answer."""
        self.send(request)
        return self.answer(to_head=request.startswith(b"HEAD "))

    def answer(self, *, to_head: bool = False) -> Answer:
        """The next answer; interim ones (1xx) are skipped. Raises Closed if none comes."""
        while True:
            head = self._until(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            version, status = first.split(" ", 2)[:2]
            pairs = (line.partition(":") for line in lines if line)
            headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
            answer = Answer(version.encode(), int(status), headers, b"")
            if answer.status >= 200:
                break
        if to_head or answer.status in (204, 304):
            return answer
        return Answer(answer.version, answer.status, headers, self._body(answer))

    def interim(self) -> int:
        """The status of the next head, whatever it is."""
        return int(self._until(b"\r\n\r\n").split(b" ", 2)[1])

    def is_closed(self) -> bool:
        """Whether the server has ended the connection, and had nothing more to say."""
        try:
            self._fill()
        except (Closed, ConnectionError):
            return not self._read
        return False

    def _body(self, answer: Answer) -> bytes:
        if answer.get("transfer-encoding") == "chunked":
            return b"".join(self._chunks())
        if length := answer.get("content-length"):
            return self._exactly(int(length))
        return self._rest()

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n"), 16):
            yield self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        assert self._exactly(2) == b"\r\n"

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._fill()
        found, _, self._read = self._read.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            self._fill()
        found, self._read = self._read[:size], self._read[size:]
        return found

    def _rest(self) -> bytes:
        try:
            while True:
                self._fill()
        except Closed:
            found, self._read = self._read, b""
            return found

    def _fill(self) -> None:
        piece = self._socket.recv(65_536)
        if not piece:
            raise Closed(f"the connection ended behind {self._read[:200]!r}")
        self._read += piece


@contextmanager
def connect(address: Address) -> Iterator[RawConnection]:
    """A new connection to `address`."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as connected:
        connected.settimeout(PATIENCE)
        connected.connect(str(address) if isinstance(address, Path) else address)
        yield RawConnection(connected)
