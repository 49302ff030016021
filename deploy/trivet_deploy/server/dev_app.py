"""The application of `trivet dev`, rebuilt after each change; a sentence says what is wrong."""

from concurrent.futures import ThreadPoolExecutor

from starlette.types import ASGIApp

from trivet_deploy import asgi
from trivet_deploy.cli.console import warn
from trivet_deploy.cli.failure import reporting
from trivet_deploy.collector import collect_for_serving, collect_seldom
from trivet_deploy.schema import find_schema_fault
from trivet_deploy.server.reloading import quiet_restarts
from trivet_settings import load_settings


def create_app() -> ASGIApp:
    """The whole application. A mistake in a feature ends this process with a sentence; the one
    that watches the files starts another as soon as they change."""
    collect_seldom()
    with reporting():
        settings = load_settings()
        if settings.log_level != "debug":
            quiet_restarts()
        app = asgi.create_app(settings)
    # On a thread, because an event loop runs here already, in which Django does not work.
    with ThreadPoolExecutor(1) as thread:
        fault = thread.submit(find_schema_fault, settings, with_drift=True).result()
    if fault:
        warn(fault)
    collect_for_serving()
    return app
