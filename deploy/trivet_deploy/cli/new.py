"""`trivet new`: a project."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import print_json, say, stdout

if TYPE_CHECKING:
    from collections.abc import Iterable

app = typer.Typer(help="Write a project.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print the files as JSON.")]


@app.callback()
def _group() -> None:
    """Keep `project` a command of its own: with one command alone typer would leave it out."""


@app.command()
def project(
    name: Annotated[str, typer.Argument(help="The name of the project, and of its folder.")],
    as_json: Json = False,
) -> None:
    """Make a project in a new folder: settings with a secret, tests, a README."""
    from trivet_deploy.scaffold.project import write_project

    paths = write_project(Path.cwd(), name)
    if _print(paths, as_json):
        return
    say(f"Made {name}. Go on with:")
    say(f"  cd {name}")
    say("  trivet dev")


def _print(paths: "Iterable[Path]", as_json: bool) -> bool:
    here = Path.cwd()
    shown = [str(each.relative_to(here)) for each in paths]
    if as_json:
        print_json(shown)
        return True
    for each in shown:
        stdout.print(each, highlight=False, soft_wrap=True)
    return False
