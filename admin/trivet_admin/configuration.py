"""Django's settings, as a projection of Trivet's.

There is no settings module: one frozen object rules all rooms, and this says what each of
its values means to Django. What is not a value of ours is a decision, with its reason. The settings
module of an existing project may add to it (`trivet_admin.joined`), and never overrules it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trivet.asgi.assets import ICON
from trivet.asgi.cookies import cookie_name
from trivet.data.capture import Capture, compose_capture
from trivet.data.sqlite import BUSY_TIMEOUT_MS
from trivet.errors import ConfigurationError
from trivet.features import Feature
from trivet_admin.feature_files import static_prefixes
from trivet_admin.joined.project import DJANGO_TEMPLATES, read_project
from trivet_admin.joined.replaced import USER_MODEL
from trivet_settings import Settings
from trivet_settings.database_url import DatabaseUrl

if TYPE_CHECKING:
    from trivet_admin.only_classes import OnlyClasses

POOL_TIMEOUT_SECONDS = 5
"""How long a request waits for a connection of Django's."""
POOL_RECONNECT_SECONDS = 1
"""How long Django's pool insists on one attempt to connect. By its default it insists for
minutes, in ever longer intervals, and starts no other attempt meanwhile, even when the database
is back. After an attempt gave up, the next caller that waits starts another. Our backend retries
after the same time."""
FORM_FIELDS = 10_000
"""Fields of one form. Django's 1,000 are fewer than a list of 200 rows has with five columns."""
SESSION_COOKIE = "trivet_session"
CSRF_COOKIE = "csrftoken"
TEST_HOST = "testserver"
"""The host of test clients; accepted only where nobody from outside can ask."""


def configure(
    settings: Settings, features: Sequence[Feature], capture: Capture | None = None
) -> None:
    """Configure Django from `settings` and set it up with the admin of `features`.

    `capture` is the one of the platform that is put together beside it; by default it is
    composed here.

    A second call with the same meaning does nothing. Django can be configured once in a
    process: ConfigurationError for a second call with another meaning.
    """
    from django.apps import apps
    from django.conf import settings as django_settings

    from trivet_admin import runtime

    projected = project(settings, features)
    if django_settings.configured:
        _require_same(projected, runtime.projection())
    else:
        # A copy: applications of others change settings in place while they start.
        django_settings.configure(**_copied(projected))
        runtime.set_projection(projected)
    if not apps.ready:
        _set_up(settings, features, capture)


def project(settings: Settings, features: Sequence[Feature]) -> dict[str, Any]:
    """Every Django setting that is not Django's default, with what joins."""
    ours = _project(settings, features)
    joined = read_project(settings, ours)
    options = joined.template_options
    processors = [
        *_TEMPLATES["OPTIONS"]["context_processors"],
        *options.get("context_processors", ()),
    ]
    templates = {
        **_TEMPLATES,
        "DIRS": list(joined.template_folders),
        "OPTIONS": {**options, "context_processors": list(dict.fromkeys(processors))},
    }
    return {
        **ours,
        **joined.values,
        "INSTALLED_APPS": [*_APPS, *joined.apps, *map(_app_of, features)],
        # A feature's ``migrations`` are Alembic's: SQLAlchemy owns its tables.
        "MIGRATION_MODULES": {**joined.migration_modules, **ours["MIGRATION_MODULES"]},
        # Inside of ours: whatever it writes belongs to the request's transaction.
        "MIDDLEWARE": [*ours["MIDDLEWARE"], *joined.middleware],
        "TEMPLATES": [templates, *joined.engines],
        "STORAGES": {**ours["STORAGES"], **joined.storages},
        "STATICFILES_DIRS": list(joined.static_folders),
        "TRIVET_JOINED_APPS": list(joined.apps),
        "TRIVET_STATIC_PREFIXES": static_prefixes(features),
    }


def find_settings_left_out(settings: Settings) -> Sequence[str]:
    """Each name in the settings module of the project that joins which is not taken, with what
    stands in its place."""
    return read_project(settings, _project(settings, ())).left_out


def _project(settings: Settings, features: Sequence[Feature]) -> dict[str, Any]:
    is_local = settings.debug or settings.public.host in ("localhost", "127.0.0.1", "[::1]")
    return {
        "DEBUG": settings.debug,
        "SECRET_KEY": settings.secret_key.get_secret_value(),
        "ALLOWED_HOSTS": [*settings.hosts, TEST_HOST] if is_local else list(settings.hosts),
        "CSRF_TRUSTED_ORIGINS": [each for each in settings.csrf_origins if each != "null"],
        # The root bounds every body; a second, smaller bound would refuse without a reason.
        "DATA_UPLOAD_MAX_MEMORY_SIZE": settings.body_limit_bytes,
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": FORM_FIELDS,
        "CSRF_COOKIE_SECURE": settings.secure_cookies,
        "CSRF_COOKIE_HTTPONLY": True,
        "SESSION_ENGINE": "trivet_admin.auth.session_store",
        "CSRF_COOKIE_NAME": cookie_name(CSRF_COOKIE, settings),
        "SESSION_COOKIE_NAME": cookie_name(SESSION_COOKIE, settings),
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "SESSION_COOKIE_AGE": round(settings.session_hours * 3600),
        "DATABASES": {"default": _database(settings)},
        "INSTALLED_APPS": list(_APPS),
        "MIGRATION_MODULES": {feature.name: None for feature in features},
        "MIDDLEWARE": [*(_DEBUG_MIDDLEWARE if settings.debug else ()), *_MIDDLEWARE],
        "ROOT_URLCONF": "trivet_admin.urls",
        "AUTH_USER_MODEL": USER_MODEL,
        "AUTH_PASSWORD_VALIDATORS": [{"NAME": name} for name in _PASSWORD_VALIDATORS],
        "PASSWORD_HASHERS": list(_HASHERS),
        "LOGIN_URL": "admin:login",
        # Where a login goes that was asked for no page. Django's default is a page of nobody's.
        "LOGIN_REDIRECT_URL": "admin:index",
        # Names of ours, which the site and the error pages read.
        "TRIVET_NAME": settings.name,
        "TRIVET_TITLE": settings.title,
        "TRIVET_LOGO": settings.root_path + (settings.logo or ICON),
        "TRIVET_SITE_URL": f"{settings.root_path}/",
        "TRIVET_URLS": dict(settings.django_urls),
        "TRIVET_AUDIT": dict(settings.django_audit),
        "CSRF_FAILURE_VIEW": "trivet_admin.site.pages.csrf_failure",
        # One form for every instant, with its zone.
        "FORMAT_MODULE_PATH": "trivet_admin.formats",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        # Absolute, because Django keeps a relative one under whatever prefix asked first.
        "STATIC_URL": f"{settings.root_path}/static/",
        "STORAGES": {
            "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
            "staticfiles": {"BACKEND": "trivet_admin.static_files.HashedStaticStorage"},
        },
        # Django's setup changes the time zone of the whole process.
        "TIME_ZONE": "UTC",
        "USE_TZ": True,
        # The platform configures logging for all rooms.
        "LOGGING_CONFIG": None,
    }


def _app_of(feature: Feature) -> "str | OnlyClasses":
    """A feature's package is an app of Django's; that of somebody else's classes is none."""
    from trivet_admin.only_classes import OnlyClasses

    return OnlyClasses(feature) if feature.only_classes else feature.package


_APPS = (
    "trivet_admin.apps.TrivetConfig",  # before the admin: its mirrors and templates come first
    "trivet_admin.users",
    "trivet_admin.apps.TrivetAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",  # names of files with their hashes; it serves none itself
)

_DEBUG_MIDDLEWARE = (
    "trivet_admin.middleware.DebugPagesMiddleware",  # Django's debug pages keep their style
)

_MIDDLEWARE = (
    "trivet_admin.middleware.UnitMiddleware",  # one transaction, decided by the status
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "trivet_admin.middleware.IdentityMiddleware",  # the platform's answer, instead of a query
    "trivet_admin.middleware.PolicyMiddleware",  # what is not said to be public is for staff
    "trivet_admin.site.query_bounds.QueryBoundsMiddleware",  # no list costs more than a moment
    "django.contrib.messages.middleware.MessageMiddleware",
)

_TEMPLATES: dict[str, Any] = {
    "BACKEND": DJANGO_TEMPLATES,
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}

_PASSWORD_VALIDATORS = (
    "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
    "django.contrib.auth.password_validation.MinimumLengthValidator",
    "django.contrib.auth.password_validation.CommonPasswordValidator",
    "django.contrib.auth.password_validation.NumericPasswordValidator",
)

_HASHERS = (
    "trivet_admin.auth.hashing.Argon2idHasher",
    # To read what another Django wrote; the next login replaces it.
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
)


def _database(settings: Settings) -> dict[str, Any]:
    database = settings.database
    if database.is_sqlite:
        return {
            "ENGINE": "trivet_admin.backends.sqlite3",
            "NAME": str(database.path),
            "OPTIONS": {
                "timeout": BUSY_TIMEOUT_MS / 1000,
                # The write lock at once: two readers that both want to write would deadlock.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
                # Conversion by declared type would reach SQLAlchemy's reads too.
                "detect_types": 0,
            },
        }
    return postgresql(database, settings)


def postgresql(database: DatabaseUrl, settings: Settings) -> dict[str, Any]:
    """A database of Django's at this address, the primary or a replica."""
    return {
        "ENGINE": "trivet_admin.backends.postgresql",
        "NAME": database.name,
        "USER": database.user,
        "PASSWORD": database.password,
        "HOST": database.host,
        "PORT": database.port,
        # Under ASGI every request has a thread of its own: kept connections would pile up,
        # so the pool keeps them instead, and bounds them.
        "CONN_MAX_AGE": 0,
        # A connection from the pool may have died with its server; our backend tries it before
        # use, without the pauses that the pool's own check makes.
        "CONN_HEALTH_CHECKS": False,
        # Their cursors outlive a transaction, and the connection would be another's by then.
        "DISABLE_SERVER_SIDE_CURSORS": settings.database_pooler == "transaction",
        "OPTIONS": {
            **database.connect_options,
            "pool": {
                "min_size": 0,
                "max_size": settings.django_threads + LOGIN_THREADS,
                "timeout": POOL_RECONNECT_SECONDS,
                "reconnect_timeout": POOL_RECONNECT_SECONDS,
            },
        },
    }


LOGIN_THREADS = 2
"""Threads of logins that come from other rooms."""


def _copied(value: Any) -> Any:
    """`value` with containers of its own; what is in them is shared."""
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _require_same(projected: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """`given` is what Django was configured with, whatever applications made of it since."""
    missing = object()
    differing = [name for name, value in projected.items() if given.get(name, missing) != value]
    if differing:
        raise ConfigurationError(
            "django-configured",
            "Django is already configured in this process, with other settings "
            f"({', '.join(differing)}). Cure: use another process.",
        )


def _set_up(settings: Settings, features: Sequence[Feature], capture: Capture | None) -> None:
    import django

    from trivet_admin import runtime
    from trivet_admin.joined.apps import refusing_wrong_apps

    runtime.set_capture(capture or compose_capture(features, settings.audit_secrets))
    with refusing_wrong_apps():
        django.setup()
