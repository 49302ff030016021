"""The address that a server is to listen on, asked for before any work is done for it."""

import errno
import socket

from trivet.errors import Conflict

LOCALHOST = "127.0.0.1"


def claim_port(host: str, port: int, command: str) -> socket.socket:
    """Take the port; the caller closes the socket.

    Raises Conflict with a sentence and, for `command` (``trivet dev``), the line to type instead,
    when the address cannot be had.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict("port-taken", _explain(error, host, port, command)) from error
    return listener


def require_port(host: str, port: int, command: str) -> None:
    """Raise Conflict, as `claim_port`, unless the port is free at this moment."""
    claim_port(host, port, command).close()


def _explain(error: OSError, host: str, port: int, command: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} is taken by another program. Choose another one: "
            f"`{command} --port {port + 1}`, or PORT={port + 1} in the environment."
        )
    if error.errno == errno.EACCES:
        return (
            f"Port {port} is for the system's own programs. Choose one above 1023: "
            f"`{command} --port 8000`."
        )
    return (
        f"{host} is no address of this machine ({error.strerror}). Choose one: "
        f"`{command} --host {LOCALHOST}`, or 0.0.0.0 for all of them."
    )
