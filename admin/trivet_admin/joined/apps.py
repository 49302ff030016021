"""The applications that have joined, as Django has loaded them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from trivet.errors import ConfigurationError


def joined_apps() -> list[AppConfig]:
    """The applications that have joined, in the settings' order."""
    entries = frozenset(settings.TRIVET_JOINED_APPS)
    return [each for each in apps.get_app_configs() if entries & {each.name, _path_of(each)}]


def joined_models() -> Iterator[Any]:
    """The models of the joined applications that have a table of their own. Not the tables of
    many-to-many fields, which have no class that somebody wrote."""
    for app in joined_apps():
        yield from (model for model in app.get_models() if not model._meta.proxy)


def static_folders() -> list[Path]:
    """The folders of static files: the project's first, then those of its applications."""
    of_apps = (Path(app.path) / "static" for app in joined_apps())
    return [folder for folder in (*settings.STATICFILES_DIRS, *of_apps) if folder.is_dir()]


@contextmanager
def refusing_wrong_apps() -> Iterator[None]:
    """Turn what Django says of applications that cannot be loaded into a ConfigurationError."""
    try:
        yield
    except ImproperlyConfigured as error:
        if not settings.TRIVET_JOINED_APPS:
            raise
        raise ConfigurationError("django-apps", _explain(error)) from error
    except ImportError as error:
        if error.name is None or not _is_named(error.name):
            raise
        raise ConfigurationError(
            "django-apps",
            f"A Django application cannot be imported: {error}. Cure: install it, or write its "
            "name in TRIVET_DJANGO_APPS, or in the project's INSTALLED_APPS, as it is imported.",
        ) from error


def _explain(error: ImproperlyConfigured) -> str:
    if "labels aren't unique" not in str(error):
        return f"The Django applications cannot be loaded: {error}"
    return (
        f"Two Django applications share a label ({error}). Trivet's own are accounts and trivet, "
        "and each feature has that of its package. Cure: give the AppConfig of yours another "
        "label, and its models Meta.db_table, so that they keep their tables."
    )


def _is_named(module: str) -> bool:
    return any(f"{app}.".startswith(f"{module}.") for app in settings.TRIVET_JOINED_APPS)


def _path_of(app: AppConfig) -> str:
    kind = type(app)
    return f"{kind.__module__}.{kind.__qualname__}"
