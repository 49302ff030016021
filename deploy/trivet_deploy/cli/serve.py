"""`trivet serve`: production, by Gunicorn with our worker."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import warn

if TYPE_CHECKING:
    from trivet_settings import Settings


def serve(
    bind: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT to listen on, or unix:PATH. By default 127.0.0.1 and PORT, or 8000."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes; one or two a core.")] = 1,
) -> None:
    """Serve with Gunicorn, as in production.

    SIGTERM stops it gracefully: sockets are closed at once so that their clients reconnect,
    requests have TRIVET_SHUTDOWN_SECONDS to finish.
    """
    from trivet_deploy.server.gunicorn_app import GunicornServer, gunicorn_options
    from trivet_settings import load_settings

    settings = load_settings()
    if workers > 1:
        _warn_of_several_workers(settings, workers)
    bind = bind or f"127.0.0.1:{os.environ.get('PORT', '8000')}"
    GunicornServer(gunicorn_options(settings, bind=bind, workers=workers)).run()


def _warn_of_several_workers(settings: "Settings", workers: int) -> None:
    # Correct all the same: the outbox is in the database and every worker polls it. So this is
    # no refusal.
    if settings.database.is_sqlite:
        warn(
            f"{workers} workers share one SQLite file: they write one at a time, and a change "
            f"reaches the sockets of another worker within {settings.poll_seconds:g} s. "
            f"PostgreSQL is made for this."
        )
