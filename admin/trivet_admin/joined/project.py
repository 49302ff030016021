"""What joins: from the settings module of an existing project, and from the settings of ours.

The module is read, not obeyed: Trivet's projection stands, and the module's values hold where it
leaves room. What it cannot leave out in silence it refuses, all of it at once.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivet.errors import ConfigurationError
from trivet.source_files import file_of
from trivet_admin.joined.replaced import MIDDLEWARE, find_clashes, replacement_of
from trivet_settings import Settings

DJANGO_TEMPLATES = "django.template.backends.django.DjangoTemplates"

_MERGED = frozenset({"INSTALLED_APPS", "MIDDLEWARE", "TEMPLATES", "STORAGES", "MIGRATION_MODULES"})
"""Settings of which parts are taken, each in a way of its own."""

_TAKEN_OVER = frozenset(
    {"AUTH_PASSWORD_VALIDATORS", "DEFAULT_AUTO_FIELD", "LOGIN_URL", "LOGIN_REDIRECT_URL"}
)
"""Settings for which Trivet has a default of its own, and gives way."""

_OWN_APPS = frozenset(
    {
        "corsheaders",
        "daphne",
        "django.contrib.admin",
        "django.contrib.admin.apps.AdminConfig",
        "django.contrib.admin.apps.SimpleAdminConfig",
        "django.contrib.auth.apps.AuthConfig",
        "django.contrib.contenttypes.apps.ContentTypesConfig",
        "django.contrib.messages.apps.MessagesConfig",
        "django.contrib.sessions.apps.SessionsConfig",
        "django.contrib.staticfiles.apps.StaticFilesConfig",
        "whitenoise.runserver_nostatic",
    }
)
"""Applications of Django's that are here in any case, and some that would have nothing to do."""


@dataclass(frozen=True, slots=True)
class Project:
    """What joins. `values` are other settings of Django's, `left_out` each name in the module that
    is not taken, with what stands in its place."""

    apps: Sequence[str] = ()
    middleware: Sequence[str] = ()
    template_folders: Sequence[str] = ()
    template_options: Mapping[str, Any] = field(default_factory=dict)
    engines: Sequence[Mapping[str, Any]] = ()
    static_folders: Sequence[Path] = ()
    storages: Mapping[str, Any] = field(default_factory=dict)
    migration_modules: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    left_out: Sequence[str] = ()


def folders_of(settings: Settings) -> Iterator[Path]:
    """The folders of the packages that the settings name, for messages about their files."""
    names = (settings.django_settings, *settings.django_apps, *settings.django_urls.values())
    for root in dict.fromkeys(name.partition(".")[0] for name in names if name):
        spec = importlib.util.find_spec(root)
        for location in (spec.submodule_search_locations if spec is not None else None) or ():
            yield Path(location)


def read_project(settings: Settings, projected: Mapping[str, Any]) -> Project:
    """What `settings` let join. `projected` are the settings that Trivet gives to Django.

    Raises:
        ConfigurationError: The module cannot be imported, or says what cannot hold here; with
            every such setting and its cure.
    """
    given = _read_module(settings.django_settings) if settings.django_settings else {}
    _require_fitting(given, settings)
    present = projected["INSTALLED_APPS"]
    apps = [*given.get("INSTALLED_APPS", ()), *settings.django_apps]
    _require_one_place(apps, settings)
    middleware = [*given.get("MIDDLEWARE", ()), *settings.django_middleware]
    engine, others = _engines(given)
    options = dict(engine.get("OPTIONS", {}))
    # With loaders of its own, an engine would not look into applications, ours among them.
    has_loaders = options.pop("loaders", None) is not None
    return Project(
        apps=[app for app in dict.fromkeys(apps) if app not in present and app not in _OWN_APPS],
        middleware=[each for each in dict.fromkeys(middleware) if each not in MIDDLEWARE],
        template_folders=[*map(str, engine.get("DIRS", ())), *settings.django_templates],
        template_options=options,
        engines=others,
        static_folders=[*_static_folders(given)],
        storages={k: v for k, v in given.get("STORAGES", {}).items() if k != "staticfiles"},
        migration_modules=given.get("MIGRATION_MODULES", {}),
        values={name: given[name] for name in given if _is_taken(name, projected)},
        left_out=[*_sentences(given, middleware, projected, has_loaders=has_loaders)],
    )


def _read_module(name: str) -> dict[str, Any]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        raise ConfigurationError(
            "django-settings",
            f"TRIVET_DJANGO_SETTINGS names {name!r}, which cannot be imported "
            f"({type(error).__name__}: {error}). Check that it is on the import path, and that "
            "what it imports is installed.",
        ) from error
    return {key: value for key, value in vars(module).items() if key.isupper()}


def _require_fitting(given: Mapping[str, Any], settings: Settings) -> None:
    clashes = list(find_clashes(given, settings))
    if clashes:
        path = file_of(settings.django_settings)
        one_each = "".join(f"\n  {each}." for each in clashes)
        said = (
            f"{clashes[0]}." if len(clashes) == 1 else f"what it says cannot hold here:{one_each}"
        )
        raise ConfigurationError("django-settings", f"{path}: {said}")


def _require_one_place(apps: Sequence[str], settings: Settings) -> None:
    features = {entry.rpartition("=")[2] for entry in settings.features}
    if both := sorted(features.intersection(apps)):
        raise ConfigurationError(
            "django-settings",
            f"{', '.join(both)} is named among TRIVET_FEATURES and among the Django applications. "
            "Cure: name it once. A feature has mapped classes, an application has Django's models; "
            "what is for both lies in two packages.",
        )


def _is_taken(name: str, projected: Mapping[str, Any]) -> bool:
    if name in _TAKEN_OVER:
        return True
    return not (
        name in _MERGED
        or name in projected
        or name in ("STATICFILES_DIRS", "DATABASE_ROUTERS", "FORCE_SCRIPT_NAME")
        or replacement_of(name)
    )


def _sentences(
    given: Mapping[str, Any],
    middleware: Sequence[str],
    projected: Mapping[str, Any],
    *,
    has_loaders: bool,
) -> Iterator[str]:
    for name in sorted(given):
        if place := replacement_of(name):
            yield f"{name} ({place})"
        elif name in projected and name not in _MERGED | _TAKEN_OVER | _AGREED:
            yield f"{name} (Trivet's own)"
    for each in middleware:
        if instead := MIDDLEWARE.get(each):
            yield f"{each} ({instead})"
    if has_loaders:
        yield "the loaders of TEMPLATES (folders and applications are searched)"


_AGREED = frozenset({"AUTH_USER_MODEL", "TIME_ZONE", "USE_TZ"})
"""Settings that were refused if they said something else."""


def _engines(given: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """The first engine of Django's own templates, whose folders and options ours takes, and the
    others as they are."""
    engines = list(given.get("TEMPLATES", ()))
    first = next((each for each in engines if each.get("BACKEND") == DJANGO_TEMPLATES), None)
    return first or {}, [each for each in engines if each is not first]


def _static_folders(given: Mapping[str, Any]) -> Iterator[Path]:
    for each in given.get("STATICFILES_DIRS", ()):
        if isinstance(each, tuple | list):  # a prefix for the names of a folder's files
            raise ConfigurationError(
                "django-settings",
                f"STATICFILES_DIRS has a prefix, {each[0]!r}, for {each[1]}. Cure: move the files "
                f"into a folder {each[0]} in it, and name the folder alone.",
            )
        yield Path(each)
