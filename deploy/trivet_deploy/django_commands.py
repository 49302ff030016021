"""The commands' calls to Django, once `open_platform_with_django` has configured it."""

import io
from contextlib import redirect_stdout


def apply_migrations() -> list[str]:
    """Apply every migration of Django's that waits; returns their names, oldest first."""
    from django.core.management import call_command

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


def list_drift() -> list[str]:
    """The parts of Django's models that no migration has, in `makemigrations`' own words."""
    from django.core.management import call_command

    output = io.StringIO()
    try:
        with redirect_stdout(output):
            call_command("makemigrations", check_changes=True, dry_run=True, stdout=output)
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
