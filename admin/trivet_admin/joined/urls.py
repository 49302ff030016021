"""The URLconfs that the settings name."""

from collections.abc import Collection, Mapping
from importlib import import_module

from django.conf import settings
from django.contrib import admin
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve

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


def find_lost_login(prefixes: Collection[str]) -> str:
    """A sentence for a LOGIN_URL to which `login_required` would send people in vain; empty if
    Django has a page there, or another mount, whose `prefixes` these are."""
    said = settings.LOGIN_URL
    try:
        path = resolve_url(said)
    except NoReverseMatch:
        path = ""
    if path and not path.startswith("/"):  # another site's
        return ""
    try:
        resolve(path)
    except Resolver404:
        elsewhere = set(prefixes) - set(settings.TRIVET_URLS)
        if any(path == each or path.startswith(f"{each}/") for each in elsewhere):
            return ""
        return (
            f"LOGIN_URL is {said}, and no page is there: name its URLconf in TRIVET_DJANGO_URLS "
            '({"/accounts": "django.contrib.auth.urls"}), or leave LOGIN_URL out for the login of '
            "the admin"
        )
    return ""
