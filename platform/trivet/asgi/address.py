"""The address of a request, as the public address of this installation has it.

A server behind a proxy sees plain HTTP, and paths with or without the prefix under which the world
reaches us: it depends on the proxy. The public address is a setting, and says both.
"""

from collections.abc import Iterable

from starlette.types import Scope


class PublicAddress:
    """Puts the scheme and the path of the public address into scopes.

    Args:
        is_secure: The public address is an https one. Then every request is taken for one, since
            nobody reaches us otherwise, and no link or redirect leads away from TLS.
        prefixes: Prefixes of mounted applications. Where the prefix of the public address is one
            of them, a path that begins with it is theirs.
        root_path: The prefix of the public address, for a server that was not told; mostly empty.
    """

    def __init__(self, *, is_secure: bool, prefixes: Iterable[str], root_path: str = "") -> None:
        self._is_secure = is_secure
        self._taken = frozenset(prefixes)
        self._root_path = root_path

    def settle(self, scope: Scope) -> None:
        """Change `scope`, an http or websocket one that no mount has seen, in place."""
        if self._is_secure:
            scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
        if self._root_path and not scope.get("root_path"):
            self._prefix(scope)
        root: str = scope.get("root_path", "")
        if not root or root in self._taken:
            return
        # The server puts the prefix before every path: also if a proxy has left it there.
        rest = scope["path"].removeprefix(root)
        if rest == root or rest.startswith(f"{root}/"):
            scope["path"] = rest
            scope["raw_path"] = scope.get("raw_path", b"").removeprefix(root.encode())

    def _prefix(self, scope: Scope) -> None:
        """Do what ASGI has a server do: `path` is whole, and `root_path` its beginning."""
        scope["root_path"] = self._root_path
        scope["path"] = self._root_path + scope["path"]
        if "raw_path" in scope:
            scope["raw_path"] = self._root_path.encode() + scope["raw_path"]
