"""The whole application with an existing Django project in it."""

import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.admin.house import FEATURES, House, engine_of, forget_urls, make_settings
from tests.joined.people import create_people, disconnect
from tests.services.databases import Databases
from trivet import Model
from trivet.features import Feature, load_features
from trivet_settings import Settings

PROJECT: dict[str, Any] = {
    "features": (*FEATURES, "tests.joined.live"),
    "django_settings": "tests.joined.project_settings",
    "django_urls": {"/polls": "tests.joined.polls.urls"},
    "django_audit": {"polls.visit": "ignored", "polls.token.value": "redacted"},
}


@pytest.fixture(scope="module")
def joined_settings(process_database_url: str) -> Settings:
    return make_settings(process_database_url, **PROJECT)


@pytest.fixture(scope="module")
def joined_features(joined_settings: Settings) -> Iterator[tuple[Feature, ...]]:
    """Django configured as for any test of this process, with the project besides."""
    from django.conf import settings as configured
    from django.contrib import admin
    from django.test import override_settings

    from trivet.data.capture import compose_capture
    from trivet_admin import runtime
    from trivet_admin.configuration import configure, project

    plain = load_features(FEATURES)
    secrets = joined_settings.audit_secrets
    configure(make_settings(joined_settings.database_url, features=FEATURES), plain)
    features = load_features(joined_settings.features)
    capture = compose_capture(features, secrets)
    runtime.set_capture(capture)  # the observers ask it who is fed
    wanted = project(joined_settings, features)
    missing = object()
    changed = {
        name: value
        for name, value in wanted.items()
        if name != "DATABASES" and getattr(configured, name, missing) != value
    }
    apps = changed.pop("INSTALLED_APPS")
    projected = runtime.projection()
    # Applications are loaded with the settings that stand then, so those come first.
    with override_settings(**changed), override_settings(INSTALLED_APPS=apps):
        runtime.set_projection(wanted)
        forget_urls()
        yield features
        for model in list(admin.site._registry):
            if model._meta.app_label == "polls":
                admin.site.unregister(model)
        sys.modules.pop("tests.joined.polls.admin", None)  # the admin looks for it anew
    forget_urls()
    runtime.set_projection(projected)
    runtime.set_capture(compose_capture(plain, secrets))


@pytest.fixture(scope="session")
def joined_templates() -> list[str]:
    """The database that the tests of all modules begin with, once one has made it."""
    return []


@pytest.fixture(scope="module")
def template_url(
    databases: Databases,
    process_database_url: str,
    joined_features: tuple[Feature, ...],
    joined_templates: list[str],
) -> str:
    """A migrated database with people and two questions."""
    from trivet_deploy import django_commands

    if joined_templates:
        return joined_templates[0]
    databases.restore(process_database_url)
    assert "polls.0001_initial" in django_commands.apply_migrations()
    engine = engine_of(process_database_url)
    own = [each for each in Model.metadata.tables.values() if each.name.startswith("live_")]
    Model.metadata.create_all(engine, tables=own)
    engine.dispose()
    create_people()
    disconnect()
    joined_templates.append(databases.copy(process_database_url))
    return joined_templates[0]


@pytest.fixture
def built_joined_house(
    databases: Databases,
    process_database_url: str,
    template_url: str,
    joined_settings: Settings,
    joined_features: tuple[Feature, ...],
) -> Iterator[House]:
    from django.contrib.contenttypes.models import ContentType

    from trivet_deploy.asgi import create_app

    databases.restore(process_database_url, template_url)
    ContentType.objects.clear_cache()
    root = create_app(joined_settings)
    _ = root.platform.database.read_engine  # makes the engine, which looks at the file system
    yield House(root.platform, root, root.mounts)
    disconnect()


@pytest.fixture
async def joined_house(built_joined_house: House) -> AsyncIterator[House]:
    yield built_joined_house
    await built_joined_house.platform.database.close()
