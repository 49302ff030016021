"""`trivet django …`: any management command, with Django set up as the house does it.

Some commands of Django would mislead here. They are not offered, and an error says which command
to type instead.
"""

from collections.abc import Sequence
from typing import NoReturn

import typer

from trivet_deploy.cli.console import ExitCode, print_error

#: Everything after `django` is Django's, options and --help included.
CONTEXT_SETTINGS = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "allow_interspersed_args": False,
    "help_option_names": [],
}

_SCHEMA = "the tables of features are SQLAlchemy's: `trivet makemigrations`"
_TEST = "run pytest, with the plugin of trivet.testing"
_START = "a feature is a package that TRIVET_FEATURES names: see the tutorial"

INSTEAD = {
    "inspectdb": "models are SQLAlchemy's mapped classes, and Django's are made of them",
    "makemigrations": _SCHEMA,
    "migrate": "`trivet migrate` applies the migrations of both, in their order",
    "optimizemigration": _SCHEMA,
    "runserver": "`trivet dev` serves with reload, every room",
    "sqlmigrate": _SCHEMA,
    "squashmigrations": _SCHEMA,
    "startapp": _START,
    "startproject": _START,
    "test": _TEST,
    "testserver": _TEST,
}
"""Commands that would mislead, and what does here what they are for."""

_READ_ONLY = {"--check", "--dry-run"}
"""With one of these `makemigrations` only looks."""

_OF_AN_APP = {"optimizemigration", "sqlmigrate", "squashmigrations"}
"""Commands that name an application first, and are Django's where it is one that has joined."""


def django(context: typer.Context) -> None:
    """Run a management command of Django, for example `trivet django shell`.

    The exit code is the command's own. Schema changes belong to `trivet migrate`.
    """
    from trivet.origin import Origin, enter_origin
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.django_commands import list_joined
    from trivet_settings import load_settings

    name, *rest = context.args or ["help"]
    is_read = name == "makemigrations" and _READ_ONLY & set(rest)
    if name in INSTEAD and not is_read and name not in _OF_AN_APP:
        _refuse(name)
    enter_origin(Origin(way="cli"))
    open_platform_with_django(load_settings())
    if name in _OF_AN_APP and not set(rest[:1]) & {*list_joined(), "--help"}:
        _refuse(name)
    _run(["trivet django", name, *rest])


def _refuse(name: str) -> NoReturn:
    print_error(f"`trivet django {name}` is not for here: {INSTEAD[name]}.")
    raise typer.Exit(ExitCode.USAGE)


def _run(arguments: Sequence[str]) -> None:
    from django.core.management import ManagementUtility

    class Utility(ManagementUtility):
        """Django's, whose list leaves out what is not for here."""

        def main_help_text(self, commands_only: bool = False) -> str:
            lines = super().main_help_text(commands_only).splitlines()
            kept = [line for line in lines if line.strip() not in INSTEAD]
            if commands_only:
                return "\n".join(kept)
            instead = [f"    {name}: {cure}" for name, cure in INSTEAD.items()]
            return "\n".join([*kept, "", "[not for here]", *instead])

    Utility(list(arguments)).execute()
