"""`trivet users`: the people who may log in. All else about them is done in the admin."""

import sys
from typing import Annotated

import typer

from trivet_deploy.cli.console import print_json, say

app = typer.Typer(help="Manage the people who may log in.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    # With one command alone typer would drop its name from the command line.
    pass


@app.command()
def create(
    *,
    username: Annotated[str, typer.Argument(help="The name to log in with.")],
    email: Annotated[str, typer.Option(help="Address; no two users share one.")],
    staff: Annotated[bool, typer.Option("--staff", help="May enter the admin.")] = False,
    superuser: Annotated[bool, typer.Option("--superuser", help="May do everything.")] = False,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="Read the password from stdin."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the user as JSON.")] = False,
) -> None:
    """Create a user. The password is asked for, or read from stdin; it is never an argument."""
    from trivet_deploy import django_commands
    from trivet_deploy.composition import open_platform_with_django
    from trivet_settings import load_settings

    settings = load_settings()
    password = _read_password() if password_stdin else _ask_for_password()
    open_platform_with_django(settings)
    user = django_commands.create_user(
        username, email, password, is_staff=staff or superuser, is_superuser=superuser
    )
    if as_json:
        shown = ("id", "username", "email", "is_staff", "is_superuser")
        print_json({name: getattr(user, name) for name in shown})
    else:
        say(f"User {username} can log in now.")


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _ask_for_password() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask", param_hint="--password-stdin")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
