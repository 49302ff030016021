"""The options of uvicorn, the same for all that start it: Gunicorn's worker, `dev` and the demo."""

import logging
from typing import Any

from trivet_deploy.server.bounded_http import BoundedHttpProtocol
from trivet_deploy.server.frames_protocol import FramesProtocol
from trivet_settings import Settings

MESSAGE_MARGIN_BYTES = 1024
"""The bytes that the server lets through above the limit, so that the room can refuse a message
that is a little too long with its own code instead of a dropped connection."""


def server_options(settings: Settings) -> dict[str, Any]:
    """Keyword arguments of `uvicorn.Config` that follow from the settings.

    Proxy headers are read by the application itself (`trivet_deploy.server.proxies`): uvicorn's own
    default would believe every connection from 127.0.0.1.
    """
    return {
        "http": BoundedHttpProtocol,
        "ws": FramesProtocol,
        "root_path": settings.root_path,
        "proxy_headers": False,
        "timeout_keep_alive": settings.keep_alive_seconds,
        "timeout_graceful_shutdown": settings.shutdown_seconds,
        "ws_max_size": settings.message_limit_bytes + MESSAGE_MARGIN_BYTES,
        # 64-81 KB a connection with the extension, 26-30 KB without (measured).
        "ws_per_message_deflate": False,
        # The realtime room pings by the rules of its own protocol.
        "ws_ping_interval": None,
        "ws_ping_timeout": None,
        "lifespan": "on",
        # The root writes the access log, with what uvicorn cannot know: mount, identity, id.
        "access_log": False,
        "server_header": False,
        "log_config": None,
    }


def quiet_sockets() -> None:
    """Drop uvicorn's own lines about sockets: the access log has one for each, and uvicorn's
    repeats the query string, in which clients that cannot set headers send their tokens."""
    logging.getLogger("uvicorn.error").addFilter(_is_no_socket_line)


def _is_no_socket_line(record: logging.LogRecord) -> bool:
    return '"WebSocket ' not in record.msg and record.msg not in _SOCKET_LINES


_SOCKET_LINES = {"connection open", "connection closed"}
