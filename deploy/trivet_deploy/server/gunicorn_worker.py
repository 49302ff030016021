"""The Gunicorn worker, a subclass of uvicorn's.

Gunicorn's own asgi worker waits for the whole timeout on SIGTERM while a WebSocket is open, sends
no close frame and skips the lifespan's shutdown. This one closes sockets at once, gives requests
`shutdown_seconds` to finish and then runs the shutdown.
"""

import asyncio
import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]
from uvicorn_worker import UvicornWorker  # type: ignore[import-untyped]

from trivet.log import name_processes
from trivet_deploy.checks.workers import require_broker
from trivet_deploy.cli.failure import reporting
from trivet_deploy.schema import find_schema_fault
from trivet_deploy.server.graceful import GracefulHttpProtocol, GracefulServer
from trivet_deploy.server.handover import Handover
from trivet_deploy.server.options import server_options
from trivet_settings import load_settings

logger = logging.getLogger(__name__)

NOTIFY_SECONDS = 1.0
"""How often a worker tells its master that its event loop turns. Gunicorn's own is half of the time
limit, so that a worker would be killed after half of it."""


class TrivetWorker(UvicornWorker):  # type: ignore[misc]  # it ships no types
    """Serves an ASGI application as the settings say, not as Gunicorn's defaults do."""

    handover: Handover | None = None
    """Given by the master of `trivet serve`. Under a Gunicorn that somebody starts by its own
    command there is none, and a worker stops when it is told to."""
    _server: GracefulServer | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Read by the parent's __init__, which gives it the last word over Gunicorn's own values.
        parent: dict[str, Any] = UvicornWorker.CONFIG_KWARGS
        self.CONFIG_KWARGS = {
            **parent,
            **server_options(load_settings()),
            "http": GracefulHttpProtocol,
            "timeout_notify": NOTIFY_SECONDS,
        }
        super().__init__(*args, **kwargs)
        name_processes()  # those of one master write into one log
        # The parent hands uvicorn's log to Gunicorn's handlers, of which ours has none.
        logging.getLogger("uvicorn.error").propagate = True

    async def _serve(self) -> None:
        """As the parent, with a server that costs nobody a request when it stops."""
        self.config.app = self.wsgi
        # A balancer that asks over a kept connection is told at once.
        lifecycle = self.wsgi.platform.lifecycle
        self._server = GracefulServer(
            self.config,
            lifecycle.drain,
            self._note_ready,
            self._must_wait_for_successors,
            # Streams by HTTP, which nobody else would tell to go elsewhere.
            lifecycle.release,
        )
        self._quit_on_sigquit()
        notifying = asyncio.create_task(self._notify_until_ready(self._server))
        try:
            await self._server.serve(sockets=self.sockets)
        finally:
            notifying.cancel()
        if not self._server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        """As the parent, and a worker whose master was killed stops: nobody would replace or stop
        it, and it would keep the port from whoever starts the service again. Gunicorn's own
        workers stop so too."""
        await super().callback_notify()
        if os.getppid() != self.ppid and self._server is not None and not self._server.should_exit:
            logger.error("the master of this process is gone, so it stops")
            self._server.should_exit = True

    async def _notify_until_ready(self, server: GracefulServer) -> None:
        """The parent tells the master that the event loop turns only when it serves. A mount may
        take longer to start than a worker may be stuck; `start_seconds` is its bound."""
        while not server.started:
            self.notify()
            await asyncio.sleep(NOTIFY_SECONDS)

    def _note_ready(self) -> None:
        if self.handover is not None:
            self.handover.note_ready(self.age)

    def _must_wait_for_successors(self) -> bool:
        handover = self.handover
        return handover is not None and handover.must_wait(self.age, self.cfg.workers)

    def _quit_on_sigquit(self) -> None:
        """A master that is interrupted sends SIGQUIT. For the parent it means nothing, and the
        master waits in vain until it kills."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGQUIT, self._quit)

    def _quit(self) -> None:
        if self._server is not None:
            self._server.should_exit = True

    def load_wsgi(self) -> None:
        """As the parent, but workers that would not hear of each other do not start; the first
        worker also says what is wrong with the database, once."""
        with reporting():  # here too, for a Gunicorn that somebody starts by its own command
            require_broker(load_settings(), self.cfg.workers)
        super().load_wsgi()
        if self.age == 1 and (fault := find_schema_fault(load_settings(), with_drift=False)):
            logging.getLogger("trivet.schema").warning(fault)

    def init_signals(self) -> None:
        """As the parent, except that a stop is an exit and no death by signal."""
        super().init_signals()
        for stop in (signal.SIGTERM, signal.SIGINT):
            signal.signal(stop, self._stop)

    def _stop(self, _signal: int, _frame: FrameType | None) -> None:
        """Before it serves, a worker that is told to stop ends at once. An exception would arise
        within the code that is being imported, which may take it for a fault of a feature: exit
        code 3, for which Gunicorn gives up the whole service.

        While it serves, uvicorn has a handler of its own, and calls this one when it has stopped:
        nothing is left to do then. By the parent's choice the signal would kill, before the
        interpreter has closed anything, and Gunicorn would log it like an accident.
        """
        if self._server is None or not self._server.started:
            os._exit(0)
