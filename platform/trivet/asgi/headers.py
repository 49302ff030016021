"""One header of a request, for middleware that every request passes.

Starlette's `Headers` offers more, but each use costs an object and a decoding.
"""

from collections.abc import Mapping
from typing import Any


def find_header(scope: Mapping[str, Any], name: bytes) -> str | None:
    """The first header with `name` (lower case, as in ASGI); None if there is none."""
    for header, value in scope["headers"]:
        if header == name:
            return str(value, "latin-1")
    return None
