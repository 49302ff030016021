"""`trivet new`: a project, a feature in it, a model in a feature."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import json_option, print_json, say, stdout

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trivet_deploy.scaffold.features import Written

app = typer.Typer(help="Write a project, a feature or a model.", no_args_is_help=True)

Json = Annotated[bool, json_option("Print the files as JSON.")]
Fields = Annotated[
    list[str],
    typer.Argument(
        metavar="FIELD...",
        help="Fields, such as title:str, price:decimal:8,2 or author:ref:author.",
        show_default=False,
    ),
]


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
    say("  trivet new feature books title:str price:decimal:8,2")
    say("  trivet dev")


@app.command()
def feature(
    name: Annotated[str, typer.Argument(help="The name of the feature, such as books.")],
    fields: Fields,
    model: Annotated[
        str, typer.Option(help="The name of its model; by default one of what the feature names.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Write a feature with one model: API, admin, live channel, rules, migration and tests.

    A field is NAME:TYPE. The types are str, str:80, text, int, bigint, decimal:8,2, float, bool,
    date, datetime, time, duration, uuid, json, enum:draft,live, ref:model and many:model; ref:user
    is somebody who may log in. Instead of a colon, parentheses do: 'decimal(8,2)'.

    Behind it: ? or :null for a value that may be absent, ! or :unique for one that no two rows
    share, :unique:if:returned_at=null for one that no two such rows share, :index for an index.
    """
    from trivet_deploy.scaffold.features import write_feature
    from trivet_deploy.scaffold.settings_files import require_project
    from trivet_settings import load_settings

    require_project(Path.cwd())
    made = write_feature(Path.cwd(), load_settings(), name, fields, model)
    _tell(made, as_json)


@app.command("model")
def model_(
    feature: Annotated[str, typer.Argument(help="The feature that gets the model.")],
    name: Annotated[str, typer.Argument(help="The name of the model, such as Author.")],
    fields: Fields,
    as_json: Json = False,
) -> None:
    """Add a model to a feature, with the same FIELDs as `trivet new feature`."""
    from trivet_deploy.scaffold.features import write_model
    from trivet_deploy.scaffold.settings_files import require_project
    from trivet_settings import load_settings

    require_project(Path.cwd())
    _tell(write_model(Path.cwd(), load_settings(), feature, name, fields), as_json)


def _tell(made: "Written", as_json: bool) -> None:
    if not _print(made.paths, as_json):
        say(f"Made the model {made.model}. `trivet migrate` makes its table; then `pytest`.")


def _print(paths: "Iterable[Path]", as_json: bool) -> bool:
    here = Path.cwd()
    shown = [str(each.relative_to(here)) for each in paths]
    if as_json:
        print_json(shown)
        return True
    for each in shown:
        stdout.print(each, highlight=False, soft_wrap=True)
    return False
