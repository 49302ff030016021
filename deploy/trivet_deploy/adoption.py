"""The adoption of a database that was there before: what is in its way, and its steps.

Trivet's own tables come beside those that are there, as `trivet migrate` makes them in any
database. Nothing else is created, and none of the tables that are there is altered.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from trivet.errors import Conflict
from trivet_deploy import django_commands
from trivet_deploy.schema import begin_trail, require_database
from trivet_settings import Settings

if TYPE_CHECKING:
    from trivet import migrations
    from trivet.features import Feature

FOREIGN_HISTORY = "alembic_version"
"""Alembic's own table of applied revisions, which belongs to the application that was there."""

DJANGOS_HISTORY = "django_migrations"


def plan_adoption(settings: Settings, named: str) -> "migrations.Adoption":
    """What `adopt` would do.

    Raises ConfigurationError or Conflict for what stands in its way, with the cure.
    """
    from trivet import migrations

    features, feature = _find(settings, named)
    taken = sorted(_taken_by_django(settings))
    if taken:
        raise Conflict(
            "table-taken",
            f"The database has tables that are called like Django's, and Trivet did not make "
            f"them: {', '.join(taken)}. It seems to belong to a Django project. Cure: rename them, "
            "or give Trivet's user of the database a schema of its own, first in its search path.",
        )
    plan = migrations.plan(settings.database_url, features, feature)
    djangos = {table for table, _ in django_commands.list_tables()} | {DJANGOS_HISTORY}
    return replace(plan, others=[each for each in plan.others if each not in djangos])


def adopt(settings: Settings, named: str) -> Path:
    """Make Trivet's own tables, write the baseline and mark it as applied; returns its file."""
    from trivet import migrations

    features, feature = _find(settings, named)
    with migrations.one_at_a_time(settings.database_url):
        django_commands.apply_migrations()
        migrations.run(settings.database_url, features, "trivet@head", back=False)
        begin_trail(settings)
        return migrations.adopt(settings.database_url, features, feature)


def _find(settings: Settings, named: str) -> "tuple[tuple[Feature, ...], Feature]":
    from trivet import migrations
    from trivet_deploy.composition import open_platform_with_django

    require_database(settings)
    features = open_platform_with_django(settings).features
    return features, migrations.find_feature(features, named)


def _taken_by_django(settings: Settings) -> Iterator[str]:
    """Tables of Django's applications that no migration of this installation made."""
    from trivet import migrations
    from trivet.data.single_connection import connect

    with connect(settings.database_url) as connection:
        there = migrations.tables_of_database(connection)
    applied = django_commands.list_applied()
    is_ours = any(app == "accounts" for app, _ in applied)
    for table, app in django_commands.list_tables():
        if table in there and not (is_ours and any(app == each for each, _ in applied)):
            yield table
