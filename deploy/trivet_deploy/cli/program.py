"""The program `trivet`: its commands, and what becomes of an error that one of them raises.

Each module of a command imports, at its top, only the standard library, typer, rich and `console`.
What the command works with it imports inside the functions that work, so that `trivet --help` and
`trivet --version` wait for no framework, and one command not for what another needs. Types of
parameters that typer does not read stand under TYPE_CHECKING.
"""

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from trivet_deploy.cli import (
    adopt,
    audit,
    centrifugo,
    check,
    demo,
    dev,
    django_command,
    events,
    keys,
    migrate,
    new,
    openapi,
    realtime,
    routes,
    secret,
    serve,
    sessions,
    shell,
    tokens,
    users,
)
from trivet_deploy.cli.console import EXIT_CODES, Options
from trivet_deploy.cli.failure import report
from trivet_deploy.collector import collect_seldom

app = typer.Typer(
    name="trivet",
    help="FastAPI, Django and WebSockets as one application.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # errors become sentences in `main`
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(new.app, name="new")
app.command("demo")(demo.demo)
app.command("dev")(dev.dev)
app.command("serve")(serve.serve)
app.command("secret")(secret.secret)
app.command("migrate")(migrate.migrate)
app.command("makemigrations")(migrate.makemigrations)
app.command("adopt")(adopt.adopt)
app.command("check")(check.check)
app.command("shell", context_settings=shell.CONTEXT_SETTINGS)(shell.shell)
app.command("routes")(routes.routes)
app.command("openapi")(openapi.openapi)
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(tokens.app, name="tokens")
app.add_typer(events.app, name="events")
app.add_typer(realtime.app, name="realtime")
app.add_typer(sessions.app, name="sessions")
app.add_typer(audit.app, name="audit")
app.add_typer(centrifugo.app, name="centrifugo")
app.command("django", context_settings=django_command.CONTEXT_SETTINGS, add_help_option=False)(
    django_command.django
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("trivet"))
        raise typer.Exit


@app.callback()
def _before_every_command(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    context.obj.debug = debug


def _unfold_help(commands: typer.Typer) -> None:
    """Let the terminal alone fold the help: typer keeps the lines of a docstring's later
    paragraphs as they stand in the source."""
    for command in commands.registered_commands:
        text = inspect.cleandoc(getattr(command.callback, "__doc__", None) or "")
        command.help = "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _unfold_help(group.typer_instance)


def _find_features_here() -> None:
    """Put the working directory on the import path: a feature lies where its people work, and
    the installed command, unlike ``python -m``, would not look there."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `trivet` with `arguments` (by default the process's own); ends in SystemExit."""
    collect_seldom()
    _find_features_here()
    _unfold_help(app)
    options = Options()
    try:
        app(args=arguments, obj=options)
    except Exception as error:  # the last resort of a program that people type
        if options.debug:
            raise
        sys.exit(report(error, as_json=options.as_json))
