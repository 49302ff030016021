"""Bodies of JSON, malformed ones refused in one way."""

from typing import Any

from fastapi import HTTPException, Request

from trivet.json_text import JsonError, read_json


class MalformedJsonError(HTTPException):
    """A body that is no JSON. FastAPI lets an HTTPException pass where it would turn any other
    into one of its own."""

    def __init__(self, reason: str) -> None:
        super().__init__(400, f"The body is no JSON: {reason}.")


class JsonRequest(Request):
    """A request whose body is read by `trivet.json_text`."""

    async def json(self) -> Any:
        """The value of the body. Raises MalformedJsonError if there is none."""
        if not hasattr(self, "_json"):
            try:
                self._json = read_json(await self.body())
            except JsonError as error:
                raise MalformedJsonError(str(error)) from error
        return self._json
