"""An answer of JSON that is written already.

Starlette's `Response` encodes each of its headers anew and keeps them in an object of their own,
which costs more than most answers' JSON. Here the head is a list that is sent as it is. It is a
`Response` for everybody who asks: FastAPI, and whoever adds a header or work behind the answer.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

Header = tuple[bytes, bytes]
_JSON = (b"content-type", b"application/json")


class JsonAnswer(Response):
    """A body of JSON.

    Args:
        body: The JSON.
        status: The status, one that has a body.
        headers: What else is said, in the form that the server takes.
    """

    background: Any

    def __init__(  # it sets all that the parent's would
        self, body: bytes, status: int = HTTPStatus.OK, headers: Sequence[Header] = ()
    ) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [*headers, (b"content-length", b"%d" % len(body)), _JSON]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})
        if self.background is not None:
            await self.background()
