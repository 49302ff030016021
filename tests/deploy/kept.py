"""A connection to a server that is kept from one request to the next."""

from collections.abc import Mapping
from http.client import HTTPConnection, RemoteDisconnected

from tests.services.server import Server

PATIENCE = 30
CLOSES = frozenset({413})
"""What announces that it closes the connection: the rest of such a body is not read, and would be
taken for the next request."""


class Kept:
    """One connection that is opened again only where an answer has announced its end."""

    def __init__(self, server: Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        self._connection.connect()
        self._connection.auto_open = 0

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> tuple[int, bytes]:
        self._connection.request(method, path, body, dict(headers))
        answer = self._connection.getresponse()
        content = answer.read()
        assert answer.will_close is (answer.status in CLOSES), (method, path, answer.status)
        if answer.will_close:
            self._connection.close()
            self._connection.connect()
        return answer.status, content

    def require_alive(self, after: object) -> None:
        try:
            assert self.ask("GET", "/healthz", {}) == (200, b'{"status":"ok"}'), after
        except (ConnectionError, RemoteDisconnected) as error:
            raise AssertionError(f"the connection was lost behind {after}") from error

    def close(self) -> None:
        self._connection.close()
