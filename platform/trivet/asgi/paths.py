"""The path of a request as the root sees it."""

from collections.abc import Mapping
from typing import Any


def path_below(scope: Mapping[str, Any]) -> str:
    """The path without the outer prefix (a proxy's, or ``--root-path``)."""
    path: str = scope["path"]
    outer: str = scope.get("root_path", "")
    if not outer:
        return path
    return path.removeprefix(outer) if path.startswith(f"{outer}/") else path
