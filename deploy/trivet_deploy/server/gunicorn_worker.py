"""The Gunicorn worker, a subclass of uvicorn's.

Gunicorn's own asgi worker waits for the whole timeout on SIGTERM while a WebSocket is open, sends
no close frame and skips the lifespan's shutdown. This one closes sockets at once, gives requests
`shutdown_seconds` to finish and then runs the shutdown.
"""

import logging
import signal
import sys
from types import FrameType
from typing import Any

from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from trivet_deploy.schema import find_schema_fault
from trivet_deploy.server.options import server_options
from trivet_settings import load_settings

NOTIFY_SECONDS = 1.0
"""How often a worker tells its master that its event loop turns. Gunicorn's own is half of the time
limit, so that a worker would be killed after half of it."""


class TrivetWorker(UvicornWorker):  # type: ignore[misc]  # it ships no types
    """Serves an ASGI application as the settings say, not as Gunicorn's defaults do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Read by the parent's __init__, which gives it the last word over Gunicorn's own values.
        parent: dict[str, Any] = UvicornWorker.CONFIG_KWARGS
        self.CONFIG_KWARGS = {
            **parent,
            **server_options(load_settings()),
            "timeout_notify": NOTIFY_SECONDS,
        }
        super().__init__(*args, **kwargs)
        # The parent hands uvicorn's log to Gunicorn's handlers, of which ours has none.
        logging.getLogger("uvicorn.error").propagate = True

    def load_wsgi(self) -> None:
        """As the parent; the first worker also says what is wrong with the database, once."""
        super().load_wsgi()
        if self.age == 1 and (fault := find_schema_fault(load_settings(), with_drift=False)):
            logging.getLogger("trivet.schema").warning(fault)

    def init_signals(self) -> None:
        """As the parent, except that a stop is an exit and no death by signal.

        uvicorn stops gracefully and then raises the signal again. By the parent's choice that
        kills, before the interpreter has closed anything, and Gunicorn logs it like an accident.
        """
        super().init_signals()
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, _exit)


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
