"""`trivet users`: the people who may log in. What they may do is given in the admin."""

import sys
from typing import Annotated, Any

import typer
from rich.table import Table

from trivet_deploy.cli.console import json_option, print_json, print_table, say

Username = Annotated[str, typer.Argument(help="The name to log in with.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from stdin.")
]
Json = Annotated[bool, json_option("Print the result as JSON.")]

SHOWN = ("username", "email", "is_active", "is_staff", "is_superuser", "last_login")

app = typer.Typer(help="Manage the people who may log in.", no_args_is_help=True)


@app.command()
def create(
    *,
    username: Username,
    email: Annotated[str, typer.Option(help="Address; no two users share one.")],
    staff: Annotated[bool, typer.Option("--staff", help="May enter the admin.")] = False,
    superuser: Annotated[bool, typer.Option("--superuser", help="May do everything.")] = False,
    password_stdin: PasswordStdin = False,
    as_json: Json = False,
) -> None:
    """Create a user. The password is asked for, or read from stdin; it is never an argument."""
    password = _password(password_stdin)
    user = _users().create_user(
        username, email, password, is_staff=staff or superuser, is_superuser=superuser
    )
    if as_json:
        shown = ("id", "username", "email", "is_staff", "is_superuser")
        print_json({name: getattr(user, name) for name in shown})
    else:
        say(f"User {username} can log in now.")


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List the users, by name."""
    rows = [{name: getattr(user, name) for name in SHOWN} for user in _users().list_users()]
    if as_json:
        print_json(rows)
        return
    table = Table("user", "address", "active", "staff", "superuser", "last login", box=None)
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    print_table(table)


@app.command("set-password", hidden=True)  # as it was called before
@app.command()
def password(
    username: Username, password_stdin: PasswordStdin = False, as_json: Json = False
) -> None:
    """Set a user's password; it is asked for, or read from stdin. Open sessions of the user end."""
    given = _password(password_stdin)
    _print(_users().set_password(username, given), as_json, "has a new password")


@app.command()
def disable(username: Username, as_json: Json = False) -> None:
    """Let a user in no more: sessions end, and keys are refused. Nothing is deleted."""
    _print(_users().set_active(username, active=False), as_json, "cannot log in any more")


@app.command()
def enable(username: Username, as_json: Json = False) -> None:
    """Let a user in again who was disabled."""
    _print(_users().set_active(username, active=True), as_json, "can log in")


def _users() -> Any:
    """The module that works with users, with Django set up on a database that answers."""
    from trivet_deploy import user_commands
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.schema import require_database
    from trivet_settings import load_settings

    settings = load_settings()
    require_database(settings)
    open_platform_with_django(settings)
    return user_commands


def _print(user: Any, as_json: bool, sentence: str) -> None:
    if as_json:
        print_json({name: getattr(user, name) for name in SHOWN})
    else:
        say(f"{user.username} {sentence}.")


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "never"
        case str():
            return value
        case _:
            return f"{value:%Y-%m-%d %H:%M}"


def _password(from_stdin: bool) -> str:
    return _read_password() if from_stdin else _ask_for_password()


def _read_password() -> str:
    return sys.stdin.readline().rstrip("\r\n")


def _ask_for_password() -> str:
    if not sys.stdin.isatty():
        raise typer.BadParameter(
            "there is no terminal to ask for the password. Give it on stdin: "
            "… --password-stdin < password.txt",
            param_hint="--password-stdin",
        )
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password
