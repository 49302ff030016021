"""`trivet migrate`: one command for the schema of both, Django's first and Alembic's second."""

import sys
from contextlib import redirect_stdout
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import (
    ExitCode,
    json_option,
    print_error,
    print_json,
    say,
    stdout,
    warn,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trivet import migrations
    from trivet_settings import Settings

Values = Annotated[
    list[str] | None,
    typer.Option(
        "--value", metavar="TABLE.COLUMN=VALUE", help="The value for rows that have none."
    ),
]
Renames = Annotated[
    list[str] | None,
    typer.Option("--rename", metavar="TABLE.OLD=NEW", help="A column that has another name now."),
]

# A subcommand each would read better and type worse: what one wants nearly always is `migrate`.


def migrate(
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Change nothing; say what has drifted, and exit 1 if it has."),
    ] = False,
    make: Annotated[
        str | None,
        typer.Option(metavar="FEATURE", help="Write the revision that FEATURE's models ask for."),
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", help="What the new revision is about.")
    ] = None,
    value: Values = None,
    rename: Renames = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Change nothing; show what waits, in its order.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Change nothing; show every migration there is.")
    ] = False,
    sql: Annotated[
        bool, typer.Option("--sql", help="Change nothing; print the SQL of what waits.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(metavar="FEATURE@REVISION", help="Go on or back to a revision of a feature."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Go back, or make a revision, and lose what that drops.")
    ] = False,
    as_json: Annotated[bool, json_option("Print what was done as JSON.")] = False,
) -> None:
    """Bring the database to the present schema.

    Django's tables come first, because the features' tables refer to its users. Running it again
    changes nothing.
    """
    from trivet_settings import load_settings

    for option, given in (("--value", value), ("--rename", rename)):
        if given and make is None:
            raise typer.BadParameter("it is an answer for --make", param_hint=option)
    settings = load_settings().direct  # a pooler would end the locks of a migration
    if check:
        _check(settings, as_json)
    elif make is not None:
        _make_one(settings, make, message, _find_answers(value or [], rename or [], yes), as_json)
    elif plan or history:
        _list(settings, as_json, only_pending=plan)
    elif sql:
        _print_sql(settings)
    elif to is not None:
        _go_to(settings, to, as_json, may_lose=yes)
    else:
        _apply(settings, as_json)


def _apply(settings: "Settings", as_json: bool) -> None:
    from trivet_deploy.schema import apply_all

    done = apply_all(settings)
    if as_json:
        print_json(done)
        return
    for owner, names in done.items():
        what = f"{len(names)} applied, up to {names[-1]}" if names else "nothing to do"
        stdout.print(f"{owner}: {what}", highlight=False)


def _check(settings: "Settings", as_json: bool) -> None:
    from trivet_deploy.schema import find_drift

    drift = find_drift(settings)
    by_owner = {"django": drift.django, "alembic": drift.alembic}
    if as_json:
        print_json(by_owner)
    else:
        for owner, sentences in by_owner.items():
            for sentence in sentences:
                stdout.print(f"{owner}: {sentence}", highlight=False, soft_wrap=True)
    if drift.uncompared:
        say(drift.uncompared)
    if drift.sentences:
        if not as_json and drift.cure:
            say(f"To cure it, {drift.cure}.")
        raise typer.Exit(ExitCode.NO)
    if not as_json:
        say("No drift: models, migrations and database agree.")


def _list(settings: "Settings", as_json: bool, *, only_pending: bool) -> None:
    from trivet_deploy.schema import list_steps

    every = list_steps(settings)
    listed = [each for each in every if not (only_pending and each.is_applied)]
    if as_json:
        print_json([asdict(each) for each in listed])
        return
    for each in listed:
        mark = "✓" if each.is_applied else "·"
        line = f"{mark} {each.owner} {each.name}"
        stdout.print(line, highlight=False, soft_wrap=True)
    if not listed:
        say("Nothing waits.")


def _print_sql(settings: "Settings") -> None:
    from trivet_deploy.schema import write_sql

    stdout.print(write_sql(settings), highlight=False, soft_wrap=True)


def _go_to(settings: "Settings", wanted: str, as_json: bool, *, may_lose: bool) -> None:
    from trivet import migrations
    from trivet_deploy import django_commands
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.schema import require_database

    require_database(settings)
    url, features = settings.database_url, open_platform_with_django(settings).features
    app, _, name = wanted.partition("@")
    if app in django_commands.list_joined() and name:
        _go_to_of_django(settings, app, name, as_json, may_lose=may_lose)
        return
    # Another process may be on its way, and what lies behind is known when it has ended.
    with migrations.one_at_a_time(url):
        target = migrations.find_target(url, features, wanted)
        if target.taken_back and not may_lose:
            print_error(
                f"{wanted} lies behind: {', '.join(target.taken_back)} would be undone, and what "
                "they made dropped, with the rows in it. Say --yes if that is meant."
            )
            raise typer.Exit(ExitCode.USAGE)
        is_back, moves = target.is_back, target.taken_back or not target.is_back
        done = migrations.run(url, features, target.revision, back=is_back) if moves else []
    if as_json:
        print_json({"applied": [] if is_back else done, "taken_back": done if is_back else []})
    else:
        say(f"{len(done)} {'taken back' if is_back else 'applied'}.")


def _go_to_of_django(
    settings: "Settings", app: str, name: str, as_json: bool, *, may_lose: bool
) -> None:
    """As `_go_to`, for an application of Django's that has joined."""
    from trivet import migrations
    from trivet_deploy import django_commands

    with migrations.one_at_a_time(settings.database_url):
        undone = django_commands.list_behind(app, name)
        if undone and not may_lose:
            print_error(
                f"{app}@{name} lies behind: {', '.join(undone)} would be undone, and what they "
                "made dropped, with the rows in it. Say --yes if that is meant."
            )
            raise typer.Exit(ExitCode.USAGE)
        done = django_commands.go_to(app, name)
    if as_json:
        print_json({"applied": [] if undone else done, "taken_back": done if undone else []})
    else:
        say(f"{len(done)} {'taken back' if undone else 'applied'}.")


def makemigrations(
    features: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FEATURE]...",
            help="Features, and Django applications of your own that have joined; all by default.",
        ),
    ] = None,
    *,
    message: Annotated[
        str | None,
        typer.Option("--message", "-m", help="What the new revisions are about."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; say what has changed, and exit 1 if it has."),
    ] = False,
    value: Values = None,
    rename: Renames = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Write what drops columns, tables or parts of values.")
    ] = False,
    as_json: Annotated[bool, json_option("Print what was made as JSON.")] = False,
) -> None:
    """Write the revisions that the models ask for.

    A feature whose tables others refer to comes first. Apply them with `trivet migrate`.
    """
    from trivet_settings import load_settings

    settings, names = load_settings().direct, features or []
    if check:
        _check_changes(settings, names, as_json)
        return
    made = _make(settings, names, message, _find_answers(value or [], rename or [], yes))
    if as_json:
        print_json([{"path": str(each.path), "risks": each.risks} for each in made])
    elif made:
        _show(made)
    else:
        say(_unchanged(names))


def _check_changes(settings: "Settings", names: "Sequence[str]", as_json: bool) -> None:
    from trivet import migrations
    from trivet_deploy import django_commands
    from trivet_deploy.comparable import comparable
    from trivet_deploy.composition import open_platform_with_django

    features = open_platform_with_django(settings).features
    apps, ours = _divided(names)
    migrations.require_features(ours, features)
    wanted = ours if names else [each.name for each in features]
    with comparable(settings, features) as url:
        found = migrations.compare(url, features).differences
    sentences = django_commands.list_drift(apps) if apps else []
    sentences += [each.sentence for each in found if each.owner in wanted]
    if as_json:
        print_json(sentences)
    else:
        for sentence in sentences:
            stdout.print(sentence, highlight=False, soft_wrap=True)
    if sentences:
        raise typer.Exit(ExitCode.NO)
    if not as_json:
        say(_unchanged(names))


def _unchanged(names: "Sequence[str]") -> str:
    who = " and ".join(names) if names else "the features"
    return f"The models of {who} have not changed."


def _make(
    settings: "Settings",
    features: "Sequence[str]",
    message: str | None,
    answers: "migrations.Answers",
) -> "list[migrations.Made]":
    """Write revisions."""
    from trivet import migrations
    from trivet_deploy import django_commands
    from trivet_deploy.comparable import comparable
    from trivet_deploy.composition import open_platform_with_django
    from trivet_deploy.scaffold.tidying import tidy

    platform = open_platform_with_django(settings)
    apps, ours = _divided(features)
    with redirect_stdout(sys.stderr):  # both tell their progress where results belong
        files = django_commands.make_migrations(apps, message) if apps else []
        made = [migrations.Made(path, ()) for path in files]
        if features and not ours:
            return made
        with comparable(settings, platform.features) as url:
            new = migrations.make(url, platform.features, ours, message, answers)
    for each in new:
        tidy(each.path)
    return made + new


def _divided(names: "Sequence[str]") -> tuple[list[str], list[str]]:
    """The Django applications among `names`, and the features; without names, the applications
    that lie in the project."""
    from trivet_deploy import django_commands

    joined = django_commands.list_joined()
    apps = [each for each in names if each in joined] if names else django_commands.list_own()
    return apps, [each for each in names if each not in joined]


def _find_answers(
    values: "Sequence[str]", renames: "Sequence[str]", may_lose: bool
) -> "migrations.Answers":
    """The answers of the options, and of the person at the terminal if there is one."""
    from trivet.migrations import Answers

    given = Answers(
        may_lose=lambda _losses: may_lose,
        values=_by_column("--value", values, "table.column=value"),
        renames=_by_column("--rename", renames, "table.old=new"),
    )
    if not sys.stdin.isatty():
        return given
    return replace(
        given,
        is_rename=lambda table, old, new: typer.confirm(
            f"Was the column {table}.{old} renamed to {new}?", err=True
        ),
        find_value=_ask_value,
        may_lose=lambda losses: may_lose or _ask_loss(losses),
    )


def _by_column(option: str, given: "Sequence[str]", form: str) -> dict[str, str]:
    pairs = [each.partition("=") for each in given]
    if any(not is_there or "." not in name for name, is_there, _ in pairs):
        raise typer.BadParameter(f"write {form}", param_hint=option)
    return {name: value for name, _, value in pairs}


def _ask_value(name: str, kind: str) -> str | None:
    given: str = typer.prompt(
        f"{name} takes no NULL, and there are rows without a value. Their value ({kind})",
        default="",
        show_default=False,
        err=True,
    )
    return given or None


def _ask_loss(losses: list[str]) -> bool:
    for each in losses:
        warn(f"{each}, with what is in it")
    return typer.confirm("Is that meant?", err=True)


def _make_one(
    settings: "Settings",
    feature: str,
    message: str | None,
    answers: "migrations.Answers",
    as_json: bool,
) -> None:
    if not message:
        raise typer.BadParameter("say what the revision is about", param_hint="--message")
    from trivet.errors import ConfigurationError

    made = _make(settings, [feature], message, answers)
    if not made:
        raise ConfigurationError("unchanged", _unchanged([feature]))
    if as_json:
        print_json({"path": str(made[0].path), "risks": made[0].risks})
    else:
        _show(made)


def _show(made: "Sequence[migrations.Made]") -> None:
    for each in made:
        stdout.print(str(each.path), soft_wrap=True, highlight=False)
        for risk in each.risks:
            warn(risk)
