"""Gunicorn as a library: the master process behind `trivet serve`."""

import logging
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]
from starlette.types import ASGIApp

from trivet.log import configure_logging, name_processes
from trivet_deploy.cli.failure import reporting
from trivet_deploy.collector import collect_for_serving, collect_seldom
from trivet_deploy.server.handover import Handover
from trivet_settings import Settings, load_settings

KILL_MARGIN_SECONDS = 30
"""The seconds that the master waits beyond `shutdown_seconds` before it kills: as long as all steps
may take together (`trivet.asgi.process`). They mostly take less than a second."""


def gunicorn_options(settings: Settings, *, bind: str, workers: int) -> dict[str, Any]:
    """Gunicorn's configuration, by the names of its own settings."""
    return {
        "bind": [each.strip() for each in bind.split(",")],
        "workers": workers,
        "worker_class": "trivet_deploy.server.gunicorn_worker.TrivetWorker",
        # Gunicorn kills a worker that did not say for so long that its event loop turns.
        "timeout": settings.worker_seconds,
        "max_requests": settings.worker_requests,
        "max_requests_jitter": settings.worker_requests_jitter,
        "graceful_timeout": settings.shutdown_seconds + KILL_MARGIN_SECONDS,
        "proc_name": "trivet",
        # A socket that can reconfigure the server, in a directory of its choice: nobody asked.
        "control_socket_disable": True,
        # The root writes the access log.
        "accesslog": None,
        "loglevel": settings.log_level,
        "logger_class": GunicornLogger,
    }


class GunicornLogger(Logger):  # type: ignore[misc]  # gunicorn ships no types
    """Gunicorn's own lines in the house's one log and format, the master's included."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        settings = load_settings()
        name_processes()
        configure_logging(log_format=settings.log_format, level=settings.log_level)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.addFilter(_is_no_closed_socket)


def _is_no_closed_socket(record: logging.LogRecord) -> bool:
    """Gunicorn closes the sockets of a worker that uvicorn has closed already, and says so."""
    return "Error while closing socket" not in record.msg


class GunicornServer(BaseApplication):  # type: ignore[misc]  # gunicorn ships no types
    """Serves the house with `options`; `run()` returns when the master has stopped."""

    def __init__(self, options: dict[str, Any]) -> None:
        handover = Handover()
        self._options = {
            **options,
            "on_reload": lambda master: handover.begin(master.worker_age),
            "post_fork": lambda _master, worker: setattr(worker, "handover", handover),
        }
        super().__init__(prog="trivet")

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> ASGIApp:
        """Called in each worker after the fork, so that no connection is ever shared.

        What keeps the application from starting is a sentence, and ends the master with 3, which
        is also Gunicorn's own code for a worker that cannot start.
        """
        from trivet_deploy.asgi import create_app
        from trivet_deploy.server.memory import give_large_blocks_back

        give_large_blocks_back()
        collect_seldom()
        with reporting():
            app = create_app()
        collect_for_serving()
        return app
