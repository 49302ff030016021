"""`trivet sessions`: the logins that the database keeps."""

from typing import Annotated

import typer

from trivet_deploy.cli.console import json_option, print_json, say
from trivet_deploy.counted import counted

app = typer.Typer(help="Look after the sessions of logins.", no_args_is_help=True)


@app.callback()
def _sessions() -> None:
    """Keeps `clear` a command below `sessions`; without a callback it would take its place."""


@app.command("clear")
def clear(
    as_json: Annotated[bool, json_option("Print the result as JSON.")] = False,
) -> None:
    """Remove the sessions that have expired.

    A process that serves does it by itself every ten minutes or so.
    """
    import anyio

    from trivet.identity.expired_sessions import ExpiredSessions
    from trivet_deploy.composition import open_platform_with_django
    from trivet_settings import load_settings

    database = open_platform_with_django(load_settings()).database

    async def run() -> int:
        try:
            return await ExpiredSessions(database).remove()
        finally:
            await database.close()

    removed = anyio.run(run)
    if as_json:
        print_json({"removed": removed})
    else:
        say(f"Removed {counted(removed, 'session')} that had expired.")
