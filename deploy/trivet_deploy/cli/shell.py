"""`trivet shell`: Python with the models, in a unit of work."""

import sys
from typing import Annotated

import typer

from trivet_deploy.cli.console import ExitCode, say

CONTEXT_SETTINGS = {"allow_extra_args": True}
"""What is given beside options is refused here, where one knows what was meant."""


def shell(
    context: typer.Context,
    as_: Annotated[
        str,
        typer.Option("--as", metavar="USERNAME", help="Act as this user, with their permissions."),
    ] = "",
) -> None:
    """Open Python with the models of the features and a session.

    What is changed is judged, audited and published like any other change, and kept by commit()
    alone. A script on stdin is run: `echo 'print(db.get(Book, 1))' | trivet shell`.
    """
    if context.args:
        script = " ".join(context.args)
        raise typer.BadParameter(f"a script comes on stdin: `trivet shell < {script}`")
    from anyio.from_thread import start_blocking_portal

    from trivet.errors import NotFound
    from trivet.identity import system
    from trivet.origin import Origin, enter_origin
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.schema import require_database
    from trivet_deploy.shell.console import run_script, talk
    from trivet_deploy.shell.names import banner_of, names_of
    from trivet_deploy.shell.unit import ShellUnit, find_actor
    from trivet_settings import load_settings

    settings = load_settings()
    require_database(settings)
    enter_origin(Origin(way="cli"))
    platform = open_platform_with_django(settings)
    with start_blocking_portal() as portal:
        actor = portal.call(find_actor, platform, as_) if as_ else system("shell")
        if actor is None:
            raise NotFound("no-such-user", f"There is no active user {as_}.")
        unit = ShellUnit(platform, portal, actor)
        names = names_of(unit, platform.features)
        is_done = True
        try:
            if sys.stdin.isatty():
                talk(unit, names, banner_of(unit, platform.features, settings.database.masked))
            else:
                is_done = run_script(unit, names, sys.stdin.read())
        finally:
            if unit.close():
                say("What was not committed is taken back. commit() keeps it.")
            portal.call(platform.database.close)
            portal.call(platform.broker.stop)
            platform.broker.close()
    if not is_done:
        raise typer.Exit(ExitCode.NO)
