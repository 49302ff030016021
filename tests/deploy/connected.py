"""A socket that is open while a server ends."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.services.server import (
    Server,
)

CONNECT = json.dumps({"id": 1, "connect": {}})
SHUTDOWN = 3001
"""An SDK comes back, and recovers (a code of the Centrifuge protocol)."""


@contextmanager
def connected(server: Server) -> Iterator[ClientConnection]:
    """A socket that has said who it is and was welcomed."""
    url = server.url.replace("http", "ws") + "/ws"
    offered = [ClientPerMessageDeflateFactory()]
    with connect(url, origin=Origin(server.url), extensions=offered) as socket:
        socket.send(CONNECT)
        assert "connect" in json.loads(socket.recv())
        yield socket
