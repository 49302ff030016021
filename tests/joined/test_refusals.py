"""What an existing project says that cannot hold is a sentence at the start, with its cure."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.admin.house import make_settings
from trivet.errors import ConfigurationError
from trivet_admin.configuration import find_settings_left_out, project

NOWHERE = "sqlite:///nowhere.sqlite3"
_numbers = itertools.count()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("site_of_"):
            del sys.modules[name]


def write(folder: Path, text: str) -> str:
    """A settings module with this text; its name."""
    name = f"site_of_{next(_numbers)}"
    (folder / f"{name}.py").write_text(text)
    return name


CLASHES = {
    "AUTH_USER_MODEL = 'people.Person'": "AUTH_USER_MODEL is 'people.Person'",
    "USE_TZ = False": "USE_TZ is off",
    "TIME_ZONE = 'Asia/Tokyo'": "TIME_ZONE is 'Asia/Tokyo'",
    "DATABASES = {'default': {}, 'archive': {}, 'legacy': {}}": "DATABASES has archive, legacy",
    "DATABASE_ROUTERS = ['routers.Archive']": "DATABASE_ROUTERS is set",
    "FORCE_SCRIPT_NAME = '/app'": "FORCE_SCRIPT_NAME is set",
    "AUTHENTICATION_BACKENDS = ['ldap.Backend']": "AUTHENTICATION_BACKENDS lacks",
    "TRIVET_NAME = 'Mine'": "TRIVET_NAME begins with TRIVET_",
    "STATICFILES_DIRS = [('docs', '/srv/docs')]": "STATICFILES_DIRS has a prefix, 'docs'",
    "INSTALLED_APPS = ['departures']": "departures is named among TRIVET_FEATURES and among",
}


@pytest.mark.parametrize("text", CLASHES)
def test_a_setting_that_cannot_hold_is_refused_with_its_cure(here: Path, text: str) -> None:
    settings = make_settings(NOWHERE, features=("departures",), django_settings=write(here, text))
    with pytest.raises(ConfigurationError) as refused:
        project(settings, ())
    assert CLASHES[text] in refused.value.detail
    assert refused.value.detail.endswith(".")


def test_all_clashes_are_told_at_once(here: Path) -> None:
    name = write(here, "USE_TZ = False\nTIME_ZONE = 'Asia/Tokyo'\nFORCE_SCRIPT_NAME = '/x'\n")
    with pytest.raises(ConfigurationError) as refused:
        project(make_settings(NOWHERE, django_settings=name), ())
    first, *told = refused.value.detail.splitlines()
    assert first.startswith(f"{here / name}.py: ")
    assert [each.split()[0] for each in told] == ["USE_TZ", "TIME_ZONE", "FORCE_SCRIPT_NAME"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import nowhere_to_be_found",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("DEBUG = ", "SyntaxError"),
        ("import os\nSECRET_KEY = os.environ['NO_SUCH_VARIABLE_HERE']", "KeyError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(here: Path, text: str, said: str) -> None:
    name = write(here, text)
    with pytest.raises(ConfigurationError) as refused:
        project(make_settings(NOWHERE, django_settings=name), ())
    assert f"TRIVET_DJANGO_SETTINGS names {name!r}" in refused.value.detail
    assert said in refused.value.detail


USUAL = """
SECRET_KEY = "of the project"
ALLOWED_HOSTS = ["shop.example"]
SESSION_COOKIE_AGE = 60
SECURE_SSL_REDIRECT = True
LOGGING = {"version": 1}
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
INSTALLED_APPS = ["django.contrib.auth.apps.AuthConfig", "django.contrib.humanize"]
MIDDLEWARE = [
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]
EMAIL_HOST = "mail.shop.example"
LANGUAGE_CODE = "fr"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
LOGIN_URL = "/accounts/login/"
STORAGES = {"default": {"BACKEND": "shop.Storage"}, "staticfiles": {"BACKEND": "shop.Static"}}
CRISPY_TEMPLATE_PACK = "bootstrap5"
MIGRATION_MODULES = {"humanize": "shop.migrations"}
lower = 1
"""


def test_what_leaves_room_is_taken_and_what_is_ours_stays(here: Path) -> None:
    settings = make_settings(
        NOWHERE,
        features=(),
        django_settings=write(here, USUAL),
        django_apps=("django.contrib.humanize", "django.contrib.sites"),
        django_middleware=("django.contrib.sites.middleware.CurrentSiteMiddleware",),
    )
    found = project(settings, ())
    taken = ("EMAIL_HOST", "LANGUAGE_CODE", "DEFAULT_AUTO_FIELD", "LOGIN_URL")
    assert [found[name] for name in (*taken, "CRISPY_TEMPLATE_PACK")] == [
        *("mail.shop.example", "fr", "django.db.models.AutoField", "/accounts/login/"),
        "bootstrap5",
    ]
    assert found["INSTALLED_APPS"][-2:] == ["django.contrib.humanize", "django.contrib.sites"]
    assert found["MIDDLEWARE"][-2:] == [
        "django.middleware.locale.LocaleMiddleware",
        "django.contrib.sites.middleware.CurrentSiteMiddleware",
    ]
    assert found["MIDDLEWARE"][0] == "trivet_admin.middleware.UnitMiddleware"
    assert found["STORAGES"]["default"] == {"BACKEND": "shop.Storage"}
    assert found["STORAGES"]["staticfiles"]["BACKEND"].startswith("trivet_admin.")
    assert found["MIGRATION_MODULES"] == {"humanize": "shop.migrations"}
    assert found["SECRET_KEY"] == settings.secret_key.get_secret_value()
    assert found["SESSION_COOKIE_AGE"] > 60
    absent = ("LOGGING", "SECURE_SSL_REDIRECT", "ALLOWED", "lower")
    assert not set(absent) & set(found)
    left_out = " ".join(find_settings_left_out(settings))
    for name in ("SECRET_KEY (TRIVET_SECRET_KEY)", "ALLOWED_HOSTS (TRIVET_PUBLIC_URL)"):
        assert name in left_out
    for name in ("SESSION_COOKIE_AGE (", "SECURE_SSL_REDIRECT (", "LOGGING (", "CorsMiddleware ("):
        assert name in left_out
    assert not any(f"{name} (" in left_out for name in taken)


def test_a_project_with_django_s_usual_user_model_is_taken(here: Path) -> None:
    settings = make_settings(NOWHERE, django_settings=write(here, "AUTH_USER_MODEL='auth.User'"))
    assert project(settings, ())["AUTH_USER_MODEL"] == "accounts.User"
