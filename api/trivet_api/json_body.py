"""Bodies of JSON, malformed ones refused in one way."""

from typing import Any

from fastapi import HTTPException, Request
from starlette.types import Message, Receive, Scope

from trivet.json_text import JsonError, read_json
from trivet_api.body_times import Judge


class MalformedJsonError(HTTPException):
    """A body that is no JSON. FastAPI lets an HTTPException pass where it would turn any other
    into one of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"The body is no JSON: {reason}.")


class JsonRequest(Request):
    """A request whose body is read by `trivet.json_text`, and judged by `judge`."""

    def __init__(self, scope: Scope, receive: Receive, judge: Judge | None = None) -> None:
        super().__init__(scope, receive)
        self._judge = judge

    async def body(self) -> bytes:
        """The body. Most come in one message, for which no stream is needed."""
        if not hasattr(self, "_body") and not self._stream_consumed:
            first = await self._receive()
            if first["type"] == "http.request" and not first.get("more_body", False):
                self._stream_consumed = True
                self._body = body = bytes(first.get("body", b""))
                return body
            self._receive = _behind(first, self._receive)
        return await super().body()

    async def json(self) -> Any:
        """The value of the body. Raises MalformedJsonError if there is none."""
        if not hasattr(self, "_json"):
            try:
                value = read_json(await self.body())
            except JsonError as error:
                raise MalformedJsonError(str(error)) from error
            self._json = value if self._judge is None else self._judge(value)
        return self._json


def _behind(first: Message, receive: Receive) -> Receive:
    """The messages that `receive` brings, behind one that was received already."""
    waiting = [first]

    async def receive_next() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_next
