"""`trivet migrate`: one command for the schema of both, Django's first and Alembic's second."""

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from trivet_deploy.cli.console import ExitCode, print_json, say, stdout

if TYPE_CHECKING:
    from trivet_settings import Settings

# A subcommand each would read better and type worse: what one wants nearly always is `migrate`.


def migrate(
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
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Bring the database to the present schema.

    Django's tables come first, because the features' tables refer to its users. Running it again
    changes nothing.
    """
    from trivet_settings import load_settings

    settings = load_settings()
    if check:
        _check(settings, as_json)
    elif make is not None:
        _make(settings, make, message, as_json)
    else:
        _apply(settings, as_json)


def _apply(settings: "Settings", as_json: bool) -> None:
    done = apply_all(settings)
    if as_json:
        print_json(done)
        return
    for owner, names in done.items():
        what = f"{len(names)} applied, up to {names[-1]}" if names else "nothing to do"
        stdout.print(f"{owner}: {what}", highlight=False)


def apply_all(settings: "Settings") -> dict[str, list[str]]:
    """Apply what waits, Django's first; returns the names under `django` and `alembic`."""
    from trivet import migrations
    from trivet_deploy import django_commands
    from trivet_deploy.composition import open_platform_with_django

    make_room(settings)
    platform = open_platform_with_django(settings)
    done = {
        "django": django_commands.apply_migrations(),
        "alembic": migrations.upgrade(settings.database_url, platform.features),
    }
    _begin_trail(settings)
    return done


def _begin_trail(settings: "Settings") -> None:
    """Begin the audit trail of a new installation. Where users are, a trail was: each of them left
    an entry when he was made. Whoever emptied it gets no new beginning from us."""
    import anyio
    from sqlalchemy import Connection, select

    from trivet.audit import AuditTrail
    from trivet.identity.django_tables import users
    from trivet_deploy.composition import open_platform_with_django

    database = open_platform_with_django(settings).database

    def begin(connection: Connection) -> None:
        if connection.execute(select(users.c.id).limit(1)).first() is None:
            AuditTrail(settings.audit_secrets).begin(connection)

    async def run() -> None:
        try:
            async with database.engine.begin() as connection:
                await connection.run_sync(begin)
        finally:
            await database.close()

    anyio.run(run)


def make_room(settings: "Settings") -> None:
    """Make the directory of a SQLite database, which SQLite itself would only complain about."""
    if settings.database.is_sqlite:
        settings.database.path.parent.mkdir(parents=True, exist_ok=True)


def _check(settings: "Settings", as_json: bool) -> None:
    drift = find_drift(settings)
    if as_json:
        print_json(drift)
    else:
        for owner, sentences in drift.items():
            for sentence in sentences:
                stdout.print(f"{owner}: {sentence}", highlight=False, markup=False)
    if any(drift.values()):
        raise typer.Exit(ExitCode.NO)
    if not as_json:
        say("No drift: models, migrations and database agree.")


def find_drift(settings: "Settings") -> dict[str, list[str]]:
    """What the models, the migrations and the database disagree on; empty lists are clean."""
    from trivet import migrations
    from trivet.errors import ConfigurationError
    from trivet_deploy import django_commands
    from trivet_deploy.composition import open_platform_with_django

    make_room(settings)
    platform = open_platform_with_django(settings)
    waiting = [f"{name} is not applied" for name in django_commands.list_pending()]
    drift = {"django": [*waiting, *django_commands.list_drift()]}
    try:
        drift["alembic"] = migrations.check(settings.database_url, platform.features)
    except ConfigurationError as behind:
        drift["alembic"] = [behind.detail]
    return drift


def _make(settings: "Settings", feature: str, message: str | None, as_json: bool) -> None:
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    if not message:
        raise typer.BadParameter("say what the revision is about", param_hint="--message")
    platform = open_platform_with_django(settings)
    with redirect_stdout(sys.stderr):  # Alembic tells its progress where results belong
        path = migrations.make(settings.database_url, platform.features, feature, message)
    if as_json:
        print_json({"path": str(path)})
    else:
        stdout.print(str(path), soft_wrap=True, highlight=False)
