"""Bodies of JSON, malformed ones refused in one way."""

from typing import Any

from fastapi import HTTPException, Request
from starlette.types import Receive, Scope

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

    async def json(self) -> Any:
        """The value of the body. Raises MalformedJsonError if there is none."""
        if not hasattr(self, "_json"):
            try:
                value = read_json(await self.body())
            except JsonError as error:
                raise MalformedJsonError(str(error)) from error
            self._json = value if self._judge is None else self._judge(value)
        return self._json
