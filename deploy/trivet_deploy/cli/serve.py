"""`trivet serve`: production, by Gunicorn with our worker."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli import address
from trivet_deploy.cli.console import warn

if TYPE_CHECKING:
    from trivet_settings import Settings


def serve(
    host: address.Host = address.HOST,
    port: address.Port = address.PORT,
    bind: Annotated[
        str | None,
        typer.Option(
            help="HOST:PORT or unix:PATH to listen on, in place of --host and --port; several "
            "with commas."
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, max=64, envvar="WEB_CONCURRENCY", help="Processes; one or two a core."),
    ] = 1,
) -> None:
    """Serve with Gunicorn, as in production.

    SIGTERM stops it gracefully: requests have TRIVET_SHUTDOWN_SECONDS to finish, and sockets are
    closed one after the other, so that their clients reconnect elsewhere. SIGHUP replaces the
    workers without a gap.
    """
    from trivet_deploy.checks.environment import find_unread
    from trivet_deploy.checks.workers import require_broker
    from trivet_deploy.server.descriptors import raise_descriptor_limit
    from trivet_deploy.server.gunicorn_app import GunicornServer, gunicorn_options
    from trivet_deploy.server.port import require_port
    from trivet_settings import load_settings

    settings = load_settings()
    for finding in find_unread(os.environ):
        warn(f"{finding.name}: {finding.sentence}")
    require_broker(settings, workers)
    _warn_of_several_workers(settings, workers)
    if bind is None:
        bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    for each in bind.split(","):
        where, _, number = each.strip().rpartition(":")
        # Systemd may hand over a bound socket; Gunicorn asks for it by this variable.
        if number.isdecimal() and "LISTEN_FDS" not in os.environ:
            require_port(where.strip("[]") or "0.0.0.0", int(number), "trivet serve")  # noqa: S104  # Gunicorn's meaning of none
    raise_descriptor_limit()
    GunicornServer(gunicorn_options(settings, bind=bind, workers=workers)).run()


def _warn_of_several_workers(settings: "Settings", workers: int) -> None:
    from trivet_deploy.checks.workers import find_lateness

    if late := find_lateness(settings, workers):
        warn(f"{late}.")
    if workers > 1 and settings.database.is_sqlite:
        warn(
            f"{workers} workers share one SQLite file: they write one at a time. PostgreSQL is "
            f"made for this."
        )
