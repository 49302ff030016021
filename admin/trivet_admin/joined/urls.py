"""The URLconfs that the settings name."""

from collections.abc import Mapping
from importlib import import_module

from django.contrib import admin

from trivet.errors import ConfigurationError


def require_importable(confs: Mapping[str, str]) -> None:
    """Raise ConfigurationError, with the prefix and the cure, for a module of `confs` that cannot
    be imported, is no URLconf, or serves the admin a second time."""
    for prefix, name in confs.items():
        try:
            module = import_module(name)
        except Exception as error:
            raise ConfigurationError(
                "django-urls",
                f"{prefix} of TRIVET_DJANGO_URLS: {name} cannot be imported "
                f"({type(error).__name__}: {error}).",
            ) from error
        patterns = getattr(module, "urlpatterns", None)
        if not isinstance(patterns, list | tuple):
            raise ConfigurationError(
                "django-urls",
                f"{prefix} of TRIVET_DJANGO_URLS: {name} has no list urlpatterns, so it is no "
                "URLconf. Cure: name the module with the urlpatterns.",
            )
        if any(getattr(each, "app_name", None) == admin.site.name for each in patterns):
            raise ConfigurationError(
                "django-urls",
                f"{prefix} of TRIVET_DJANGO_URLS: {name} includes the admin, which is at /admin "
                "already. Cure: take admin.site.urls out of it, or name the URLconfs that it "
                "includes, each with its prefix.",
            )
