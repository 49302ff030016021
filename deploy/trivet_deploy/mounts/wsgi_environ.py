"""The environment of a WSGI request (PEP 3333), made of an ASGI scope."""

import io
import logging
from typing import Any

from starlette.types import Scope

_log = logging.getLogger("trivet.wsgi")
_OF_THEIR_OWN = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


def build_environ(scope: Scope, body: io.BufferedReader) -> dict[str, Any]:
    """`scope` as WSGI has it; ``asgi.scope`` is the scope itself.

    A header whose name has an underscore is left out: as a key it could not be told from the one
    with a hyphen, which a proxy in front may have checked or set (Gunicorn leaves it out too).
    """
    root_path = scope.get("root_path", "")
    host, port = scope.get("server") or ("localhost", None)
    environ: dict[str, Any] = {
        "asgi.scope": scope,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _as_bytes(root_path),
        "PATH_INFO": _as_bytes(scope["path"].removeprefix(root_path)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        # A unix socket has no port, and PEP 3333 wants one.
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or (443 if scope.get("scheme") == "https" else 80)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": _Errors(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if scope.get("client"):
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = map(str, scope["client"])
    for name, value in scope["headers"]:
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    if "_" in name:
        return
    key = _OF_THEIR_OWN.get(name) or f"HTTP_{name.upper().replace('-', '_')}"
    if key in environ:
        # Cookies are a list by semicolons (RFC 6265, 5.4), everything else by commas (RFC 9110).
        separator = "; " if name == "cookie" else ","
        value = environ[key] + separator + value
    environ[key] = value


def _as_bytes(path: str) -> str:
    """A path as WSGI has it: its bytes, each as the character of the same number."""
    return path.encode("utf-8", "surrogateescape").decode("latin-1")


class _Errors(io.TextIOBase):
    """``wsgi.errors``: what an application writes there is a line of the one log."""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if line := text.rstrip():
            _log.error("%s", line)
        return len(text)
