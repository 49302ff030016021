"""One header of a request, for middleware that every request passes.

Starlette's `Headers` offers more, and costs an object and a decoding a look.
"""

from collections.abc import Mapping
from typing import Any


def find_header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header called `name`, in lower case as ASGI has them; None without one."""
    for header, value in scope["headers"]:
        if header == name:
            return str(value, "latin-1")
    return None
