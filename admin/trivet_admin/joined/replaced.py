"""The settings of Django's that an existing project may have, and Trivet answers itself.

Three kinds: those in whose place something of ours stands (they are left out, and ``trivet check``
says what stands there), those that would change what stored data mean (the start is refused), and
all others, which are taken.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from trivet_settings import Settings

USER_MODEL = "accounts.User"

REPLACED = {
    "ALLOWED_HOSTS": "TRIVET_PUBLIC_URL",
    "ASGI_APPLICATION": "`trivet serve`",
    "CSRF_TRUSTED_ORIGINS": "TRIVET_TRUSTED_ORIGINS",
    "DATABASES": "TRIVET_DATABASE_URL",
    "DATA_UPLOAD_MAX_MEMORY_SIZE": "TRIVET_BODY_LIMIT_BYTES",
    "DEBUG": "TRIVET_DEBUG",
    "LOGGING": "TRIVET_LOG_FORMAT and TRIVET_LOG_LEVEL",
    "LOGGING_CONFIG": "TRIVET_LOG_FORMAT and TRIVET_LOG_LEVEL",
    "ROOT_URLCONF": "TRIVET_DJANGO_URLS",
    "SECRET_KEY": "TRIVET_SECRET_KEY",
    "SECRET_KEY_FALLBACKS": "TRIVET_SECRET_KEY",
    "STATICFILES_FINDERS": "/static/ serves files where they lie",
    "STATICFILES_STORAGE": "/static/ serves files where they lie",
    "STATIC_ROOT": "/static/ serves files where they lie",
    "STATIC_URL": "/static/ serves files where they lie",
    "USE_X_FORWARDED_HOST": "TRIVET_TRUSTED_PROXIES",
    "USE_X_FORWARDED_PORT": "TRIVET_TRUSTED_PROXIES",
    "WSGI_APPLICATION": "`trivet serve`",
    "X_FRAME_OPTIONS": "headers of every response",
}
"""The names of settings, each with what stands in its place."""

_REPLACED_FAMILIES = {
    "CSRF_": "the protection against other sites that all rooms share",
    "SECURE_": "headers of every response, and TRIVET_PUBLIC_URL",
    "SESSION_": "the sessions that all rooms share, and TRIVET_SESSION_HOURS",
}
"""Beginnings of names, likewise."""

MIDDLEWARE = {
    "corsheaders.middleware.CorsMiddleware": "TRIVET_ALLOWED_ORIGINS",
    "django.contrib.auth.middleware.AuthenticationMiddleware": "",
    "django.contrib.messages.middleware.MessageMiddleware": "",
    "django.contrib.sessions.middleware.SessionMiddleware": "",
    "django.middleware.clickjacking.XFrameOptionsMiddleware": "",
    "django.middleware.common.CommonMiddleware": "",
    "django.middleware.csrf.CsrfViewMiddleware": "",
    "django.middleware.security.SecurityMiddleware": "",
    "whitenoise.middleware.WhiteNoiseMiddleware": "/static/ serves files where they lie",
}
"""Middleware that a project names and Trivet has already, or does without. Where it is worth a
word, what stands in its place."""

_UTC = ("UTC", "Etc/UTC", "GMT", "Zulu")


def replacement_of(name: str) -> str:
    """What stands in place of the setting `name`; empty if nothing does."""
    if name in REPLACED:
        return REPLACED[name]
    return next(
        (place for start, place in _REPLACED_FAMILIES.items() if name.startswith(start)), ""
    )


def find_clashes(given: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """A sentence with the cure for each setting that cannot hold here, and that would change what
    the project's data or addresses mean if it were left out."""
    user = given.get("AUTH_USER_MODEL", USER_MODEL)
    if user not in (USER_MODEL, "auth.User"):
        yield (
            f"AUTH_USER_MODEL is {user!r}, and the users of every room are {USER_MODEL}. Leave it "
            f"out, let {user} be a profile with a OneToOneField to settings.AUTH_USER_MODEL, and "
            "move the accounts (docs/django-projects.md)"
        )
    if given.get("USE_TZ", True) is not True:
        yield "USE_TZ is off, and times here have zones. Leave it out or set it to True"
    if given.get("TIME_ZONE", "UTC") not in _UTC:
        yield (
            f"TIME_ZONE is {given['TIME_ZONE']!r}, and this process works in UTC. Set it to 'UTC', "
            "and call django.utils.timezone.activate() in a middleware that TRIVET_DJANGO_"
            "MIDDLEWARE names"
        )
    others = sorted(set(given.get("DATABASES", ())) - {"default"})
    if others:
        yield (
            f"DATABASES has {', '.join(others)} beside default, and a unit of work has one "
            "database. Leave it out, and use it by a library of its own"
        )
    if given.get("DATABASE_ROUTERS"):
        yield "DATABASE_ROUTERS is set, and there is one database. Leave it out"
    if given.get("FORCE_SCRIPT_NAME"):
        yield (
            "FORCE_SCRIPT_NAME is set, and the path before every address is that of "
            f"TRIVET_PUBLIC_URL ({settings.public_url}). Leave it out"
        )
    backends = given.get("AUTHENTICATION_BACKENDS")
    if backends is not None and _MODEL_BACKEND not in backends:
        yield (
            f"AUTHENTICATION_BACKENDS lacks {_MODEL_BACKEND}, by which every room asks for "
            "permissions. Add it"
        )
    for name in sorted(name for name in given if name.startswith("TRIVET_")):
        yield f"{name} begins with TRIVET_. Rename it: such names are Trivet's own"


_MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"
