"""`trivet dev`: one process that starts again when a file changes."""

import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli import address
from trivet_deploy.cli.console import say

if TYPE_CHECKING:
    from trivet_settings import Settings


def dev(
    host: address.Host = address.HOST,
    port: address.Port = address.PORT,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Apply what waits to be migrated, without a question.")
    ] = False,
) -> None:
    """Serve with reload, for work on a feature.

    It asks first whether to apply the migrations that wait. Debugging is on unless TRIVET_DEBUG
    says otherwise. `.env` and the Python files of the working directory and of the features are
    watched. After each change it says what the files get wrong, and whether models and database
    differ.
    """
    import uvicorn

    from trivet.log import configure_logging
    from trivet_deploy.server.options import server_options
    from trivet_deploy.server.port import require_port
    from trivet_deploy.server.reloading import ProjectReload
    from trivet_settings import load_settings

    settings = load_settings()
    # By the environment, because the process that serves is another one.
    if "debug" not in settings.model_fields_set:
        os.environ["TRIVET_DEBUG"] = "true"
    if "public_url" not in settings.model_fields_set:
        # Forms and logins are of this site, whatever the port is.
        os.environ["TRIVET_PUBLIC_URL"] = f"http://localhost:{port}"
    configure_logging(log_format=settings.log_format, level=settings.log_level)
    require_port(host, port, "trivet dev")
    _prepare(settings, is_agreed=migrate)
    config = uvicorn.Config(
        "trivet_deploy.server.dev_app:create_app",
        factory=True,
        host=host,
        port=port,
        **server_options(settings),
    )
    with config.bind_socket() as bound:
        ProjectReload(config, uvicorn.Server(config).run, [bound], _watched(settings)).run()


def _prepare(settings: "Settings", *, is_agreed: bool) -> None:
    """Bring the database to the present schema, if that is wanted, and say who can log in."""
    from trivet.errors import TrivetError
    from trivet_deploy.preparing import apply, count_users, list_pending

    # What is wrong is told by the process that serves, which goes on when it is mended.
    with suppress(TrivetError):
        pending = list_pending(settings)
        if pending:
            say("These migrations wait to be applied:")
            for each in pending:
                say(f"  {each}")
            if not (is_agreed or _is_wanted()):
                return
            apply(settings)
            say("Migrated.")
        if count_users() == 0:
            say("Nobody can log in yet: trivet users create NAME --email ADDRESS --superuser")


def _is_wanted() -> bool:
    if not sys.stdin.isatty():
        say("There is no terminal to ask: `trivet dev --migrate` applies them.")
        return False
    return typer.confirm("Apply them?", default=True, err=True)


def _watched(settings: "Settings") -> list[Path]:
    found = [Path.cwd()]
    for name in settings.features:
        # What is not there, or cannot be imported, is told by the process that serves.
        with suppress(Exception):
            spec = find_spec(name)
            if spec is not None and spec.origin:
                found.append(Path(spec.origin).parent)
    return found
