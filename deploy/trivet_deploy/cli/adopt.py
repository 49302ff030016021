"""`trivet adopt`: the admin and the migrations for a database that was there before."""

import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import ExitCode, json_option, print_error, print_json, say, stdout
from trivet_deploy.counted import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trivet import migrations


def adopt(
    feature: Annotated[
        str, typer.Argument(metavar="FEATURE", help="The feature, by its name or its package.")
    ],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do what the plan says.")] = False,
    as_json: Annotated[bool, json_option("Print the plan as JSON.")] = False,
) -> None:
    """Adopt the tables of a database that was there before.

    It shows a plan first: which tables of FEATURE are there, and what its classes want otherwise.
    Then it makes Trivet's own tables beside them, writes a first revision from which a fresh
    database is built like this one, and marks this one as having it. No table that is there is
    altered.
    """
    from trivet_deploy.adoption import adopt as carry_out
    from trivet_deploy.adoption import plan_adoption
    from trivet_settings import load_settings

    settings = load_settings().direct
    plan = plan_adoption(settings, feature)
    if not as_json:
        for line in _lines(plan):
            stdout.print(line, highlight=False, soft_wrap=True)
    may = not plan.is_done and (yes or _is_agreed(as_json))
    with redirect_stdout(sys.stderr):  # Alembic tells its progress where results belong
        path = carry_out(settings, feature) if may else None
    if as_json:
        print_json({**asdict(plan), "path": None if path is None else str(path)})
    if plan.is_done:
        say(f"This database has adopted {plan.feature} already; there is nothing to do.")
    elif path is None:
        print_error("Nothing was done. Say --yes to do it.")
        raise typer.Exit(ExitCode.NO)
    else:
        say(f"Adopted, with {path}. Keep that file with your code.")
        say("Run `trivet migrate` for what other features need.")


def _is_agreed(as_json: bool) -> bool:
    is_asked = sys.stdin.isatty() and not as_json
    return is_asked and typer.confirm("Do this?", err=True)


def _lines(plan: "migrations.Adoption") -> "Iterator[str]":
    from trivet_deploy.adoption import FOREIGN_HISTORY

    are = counted(len(plan.there), "table is", "tables are")
    yield f"{plan.feature}: {are} there: {', '.join(plan.there)}"
    if plan.missing:
        yield (
            f"missing, so their classes cannot be used before a revision makes them: "
            f"{', '.join(plan.missing)}"
        )
    for sentence in plan.differences:
        yield f"differs: {sentence}"
    if plan.differences:
        yield (
            "  An adoption changes none of that. `trivet makemigrations "
            f"{plan.feature}` writes a revision for it."
        )
    for sentence in plan.left_out:
        yield f"left out of a fresh database: {sentence}"
    for each in plan.uncompared:
        yield f"not compared: {each}"
    if plan.others:
        yield f"left alone, none of this feature's: {', '.join(plan.others)}"
    if FOREIGN_HISTORY in plan.others:
        yield f"  {FOREIGN_HISTORY} is the history of another Alembic, which goes on as it was."
    if not plan.is_done:
        yield from _steps(plan)


def _steps(plan: "migrations.Adoption") -> "Iterator[str]":
    yield "The plan:"
    yield "  1. make Trivet's own tables beside these, as `trivet migrate` does"
    if plan.revision is None:
        yield f"  2. write {plan.feature}/migrations/0001_baseline.py, which makes these tables"
        yield "  3. mark the database as having it, in the table trivet_migration"
    else:
        yield f"  2. mark the database as having {plan.revision}, in the table trivet_migration"
