"""The body of a request that brings a frame."""

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from trivet.asgi.problem import error_response
from trivet.errors import Malformed, TooLarge


async def read_text(scope: Scope, receive: Receive, send: Send, limit: int) -> str | None:
    """The body as text. None if it is larger than `limit` bytes or no UTF-8: then the request is
    answered."""
    body = bytearray()
    async for chunk in Request(scope, receive).stream():
        body += chunk
        if len(body) > limit:
            error = TooLarge("message-too-large", f"A message has at most {limit:,} bytes.")
            await error_response(scope, error)(scope, receive, send)
            return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        malformed = Malformed("no-text", "A message is JSON in UTF-8.")
        await error_response(scope, malformed)(scope, receive, send)
        return None
