"""The commands' calls to Django, once `open_platform_with_django` has configured it."""

import io
import re
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from trivet.errors import ConfigurationError


def apply_migrations() -> list[str]:
    """Apply every migration of Django's that waits; returns their names, oldest first."""
    from django.core.management import call_command

    from trivet_admin.users import adoption

    if adoption.is_waiting():
        raise ConfigurationError(
            "users-of-a-project",
            "The users of this database are those of a Django project (auth_user). See what makes "
            "them those of every room with `trivet django adopt_users`, and do it with --yes.",
        )
    waiting = list_pending()
    call_command("migrate", interactive=False, verbosity=0)
    return waiting


def list_pending() -> list[str]:
    """Django's migrations that are not applied, oldest first, as `app.name`."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def find_waiting() -> list[str]:
    """As `list_pending`, and leaves no connection open: for a process that goes on to serve."""
    from django.db import connections

    try:
        return list_pending()
    finally:
        connections.close_all()


def list_drift(apps: Sequence[str] = ()) -> list[str]:
    """The parts of the models of `apps`, by default of all, that no migration has, in the words of
    `makemigrations`."""
    from django.core.management import call_command

    output = io.StringIO()
    try:
        with redirect_stdout(output):
            call_command("makemigrations", *apps, check_changes=True, dry_run=True, stdout=output)
    except SystemExit:
        return [line.strip() for line in output.getvalue().splitlines() if line.strip()]
    return []


def list_migrations(*, asks: bool = True) -> list[tuple[str, str, bool]]:
    """All of Django's migrations: application, name and whether it is applied, in their order.

    Unless it `asks` the database, none is taken for applied.
    """
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection if asks else None)
    loader = executor.loader
    every = executor.migration_plan(loader.graph.leaf_nodes(), clean_start=True)
    applied = loader.applied_migrations
    return [
        (each.app_label, each.name, (each.app_label, each.name) in applied) for each, _ in every
    ]


def write_sql() -> list[str]:
    """The SQL of Django's migrations that wait."""
    from django.core.management import call_command

    output = io.StringIO()
    for each in list_pending():
        app, _, name = each.partition(".")
        call_command("sqlmigrate", app, name, stdout=output)
    return [output.getvalue()]


def list_applied() -> set[tuple[str, str]]:
    """The applied migrations of Django's: application and name. Nothing is made for the answer."""
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    return set(MigrationRecorder(connection).applied_migrations())


def list_tables() -> list[tuple[str, str]]:
    """The tables that Django's migrations make, each with its application."""
    from django.apps import apps

    models = apps.get_models(include_auto_created=True)
    return [
        (each._meta.db_table, each._meta.app_label)  # Django's own public interface
        for each in models
        if each._meta.managed  # as above
    ]


def list_joined() -> list[str]:
    """The labels of the Django applications that have joined."""
    from trivet_admin.joined.apps import joined_apps

    return [app.label for app in joined_apps()]


def list_own() -> list[str]:
    """Of these, those that lie in the project itself, and not among installed libraries."""
    from trivet_admin.joined.apps import joined_apps

    libraries = {"site-packages", "dist-packages"}
    return [app.label for app in joined_apps() if not libraries & set(Path(app.path).parts)]


def make_migrations(labels: Sequence[str], message: str | None) -> list[Path]:
    """Write the migrations that the models of these applications ask for; returns their files."""
    from django.core.management import call_command
    from django.core.management.commands.makemigrations import Command

    command: Any = Command(stdout=io.StringIO())  # whose `written_files` the stubs do not know
    name = re.sub(r"\W+", "_", message.lower()).strip("_") if message else None
    is_asked = sys.stdin.isatty()
    call_command(command, *labels, name=name, interactive=is_asked, verbosity=1 if is_asked else 0)
    return [Path(path) for path in command.written_files]


def go_to(app: str, name: str) -> list[str]:
    """Bring a joined application to the migration whose name begins with `name`, on or back.

    Returns the names of the migrations that this applied or took back.
    """
    from django.core.management import call_command

    def applied() -> set[str]:
        return {each for label, each, done in list_migrations() if label == app and done}

    before = applied()
    call_command("migrate", app, "zero" if name == "base" else name, verbosity=0)
    return sorted(before ^ applied())


def list_behind(app: str, name: str) -> list[str]:
    """The applied migrations of `app` after the one that `name` begins, or all for ``base``."""
    own = [(each, done) for label, each, done in list_migrations() if label == app]
    start = next((n for n, (each, _) in enumerate(own) if each.startswith(name)), len(own))
    if name == "base":
        start = -1
    return [each for each, done in own[start + 1 :] if done]
