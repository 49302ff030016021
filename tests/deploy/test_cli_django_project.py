"""The commands on an installation that a Django application has joined."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.deploy.installation import Installation, execute
from tests.services.databases import run_trivet

MODELS = """
from django.db import models


class Note(models.Model):
    id = models.BigAutoField(primary_key=True)
    text = models.CharField(max_length=40)
"""
CREATE = "from notes.models import Note; Note.objects.create(text='by hand')"


def write(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_migrations_of_a_joined_application_are_written_applied_and_taken_back(
    installed: Installation, tmp_path: Path
) -> None:
    write(tmp_path, {"notes/__init__.py": "", "notes/models.py": MODELS})
    installed.env |= {"TRIVET_DJANGO_APPS": "notes", "PYTHONPATH": str(tmp_path)}

    changed = installed.json("makemigrations", "--check", code=1)
    (made,) = installed.json("makemigrations", "notes", "-m", "The first notes")
    planned = installed.json("migrate", "--plan")
    applied = installed.json("migrate")
    installed.run("django", "shell", "-c", CREATE)
    behind = installed.run("migrate", "--to", "notes@base", code=2)
    back = installed.json("migrate", "--to", "notes@base", "--yes")

    assert any("Create model Note" in sentence for sentence in changed)
    assert Path(made["path"]) == tmp_path / "notes" / "migrations" / "0001_the_first_notes.py"
    assert [(each["owner"], each["name"]) for each in planned] == [
        ("notes", "0001_the_first_notes")
    ]
    assert applied == {"django": ["notes.0001_the_first_notes"], "alembic": []}
    assert "Say --yes" in behind.stderr
    assert back == {"applied": [], "taken_back": ["0001_the_first_notes"]}
    engine = create_engine(installed.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        entries = connection.execute(
            text("SELECT kind, actor FROM trivet_audit_entry WHERE table_name = 'notes_note'")
        ).all()
    engine.dispose()
    assert entries == [("insert", "django")]


BUSY = """
from django.apps import AppConfig
from django.conf import settings


class Busy(AppConfig):
    name = "notes"

    def ready(self):
        settings.MIGRATION_MODULES.setdefault("archive", None)
        settings.PAGES["size"] = 20
        settings.INSTALLED_APPS.append("archive")
"""


def test_an_application_may_change_settings_while_it_starts(
    installed: Installation, tmp_path: Path
) -> None:
    write(tmp_path, {"notes/__init__.py": "", "notes/apps.py": BUSY})
    write(tmp_path, {"busy_site.py": "INSTALLED_APPS = ['notes']\nPAGES = {'size': 10}\n"})
    installed.env |= {"TRIVET_DJANGO_SETTINGS": "busy_site", "PYTHONPATH": str(tmp_path)}
    findings = installed.json("check")
    assert "django applications" in {each["name"] for each in findings}


@pytest.mark.parametrize(
    ("given", "is_lost"),
    [
        ("/accounts/login/", True),
        ("nowhere:login", True),
        ("/notes/login/", False),
        ("login", False),
        ("/departures/login", False),  # a mount of a feature's
        ("https://login.example.org/", False),
    ],
)
def test_a_login_to_which_nobody_can_be_sent_is_told(
    installed: Installation, tmp_path: Path, given: str, is_lost: bool
) -> None:
    write(tmp_path, {"lost_site.py": f"LOGIN_URL = {given!r}\n"})
    installed.env |= {
        "TRIVET_DJANGO_SETTINGS": "lost_site",
        "TRIVET_DJANGO_URLS": json.dumps({"/notes": "django.contrib.auth.urls"}),
        "PYTHONPATH": str(tmp_path),
    }
    told = [each["sentence"] for each in installed.json("check") if each["state"] == "warning"]
    assert any("LOGIN_URL" in each and given in each for each in told) == is_lost


EARLIER = """
import sys
from urllib.parse import unquote, urlsplit

import django
from django.conf import settings

url = urlsplit(sys.argv[1])
if url.scheme == "sqlite":
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": url.path[1:]}
else:
    database = {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.path[1:], "USER": url.username,
        "PASSWORD": unquote(url.password or ""), "HOST": url.hostname, "PORT": url.port,
    }
settings.configure(
    DATABASES={"default": database},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
        "django.contrib.admin", "django.contrib.messages", "notes",
    ],
    USE_TZ=True,
)
django.setup()
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command

call_command("makemigrations", "notes", verbosity=0)
call_command("migrate", verbosity=0)
from notes.models import Note

editors = Group.objects.create(name="editors")
editors.permissions.add(Permission.objects.get(codename="change_user"))
User.objects.create_user("anna", "", "correct horse 9").groups.add(editors)
User.objects.create_user("cleo", "cleo@example.org")
User.objects.create_user("dora", "cleo@example.org")
Note.objects.create(text="of anna", author=User.objects.get(username="anna"))
"""
LATER = """
from django.contrib.auth import authenticate
from notes.models import Note
user = authenticate(username="anna", password="correct horse 9")
print(Note.objects.get().author == user, user.has_perm("accounts.change_user"), user.email)
"""


def make_earlier(installation: Installation, folder: Path) -> None:
    """A database as a Django project has made it before it joined; two users share an address."""
    author = "    author = models.ForeignKey('auth.User', models.SET_NULL, null=True)\n"
    write(folder, {"notes/__init__.py": "", "notes/models.py": MODELS + author})
    write(folder, {"earlier.py": EARLIER})
    environment = {**installation.env, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(folder / "earlier.py"), installation.url]
    subprocess.run(command, env=environment, check=True)
    models = folder / "notes" / "models.py"
    models.write_text(
        models.read_text()
        .replace("'auth.User'", "settings.AUTH_USER_MODEL")
        .replace("from django.db", "from django.conf import settings\nfrom django.db")
    )
    migration = next((folder / "notes" / "migrations").glob("0001_*.py"))
    swapped = migration.read_text().replace("to='auth.user'", "to=settings.AUTH_USER_MODEL")
    migration.write_text(f"from django.conf import settings\n{swapped}")
    installation.env |= {"TRIVET_DJANGO_APPS": "notes", "PYTHONPATH": str(folder)}


def test_the_users_of_an_existing_database_are_adopted_with_all_that_refers_to_them(
    empty: Installation, tmp_path: Path
) -> None:
    make_earlier(empty, tmp_path)
    early = empty.run("migrate", code=3)
    shared = empty.run("django", "adopt_users", "--yes", code=1)
    execute(empty.url, "UPDATE auth_user SET email = '' WHERE username = 'dora'")
    shown = empty.run("django", "adopt_users")
    done = empty.run("django", "adopt_users", "--yes")
    applied = empty.json("migrate")

    assert "trivet django adopt_users" in early.stderr
    assert "Several users have the address cleo@example.org" in shared.stderr
    assert "ALTER TABLE auth_user RENAME TO accounts_user;" in shown.stdout
    assert "Now run: trivet migrate" in done.stdout
    assert applied["django"] == []
    assert applied["alembic"]
    after = empty.run("django", "shell", "-c", LATER).stdout.splitlines()[-1]
    assert after.split() == ["True", "True", "user-1@users.invalid"]
    states = {each["name"]: each["state"] for each in empty.json("check")}
    assert (states["migrations"], states["audit trail"]) == ("ok", "ok")


@pytest.mark.once
@pytest.mark.parametrize(
    ("files", "settings", "said"),
    [
        (
            {"mine/accounts/__init__.py": "", "mine/__init__.py": ""},
            {"TRIVET_DJANGO_APPS": "mine.accounts"},
            "Two Django applications share a label",
        ),
        (
            {},
            {"TRIVET_DJANGO_APPS": "not_installed_here"},
            "A Django application cannot be imported: No module named 'not_installed_here'",
        ),
        (
            {
                "mine/__init__.py": "",
                "mine/urls.py": "from mine import nothing\nurlpatterns = []\n",
            },
            {"TRIVET_DJANGO_URLS": '{"/mine": "mine.urls"}'},
            "/mine of TRIVET_DJANGO_URLS: mine.urls cannot be imported (ImportError",
        ),
        (
            {
                "mine/__init__.py": "",
                "mine/urls.py": "from django.contrib import admin\nfrom django.urls import path\n"
                "urlpatterns = [path('admin/', admin.site.urls)]\n",
            },
            {"TRIVET_DJANGO_URLS": '{"/mine": "mine.urls"}'},
            "mine.urls includes the admin, which is at /admin already",
        ),
        (
            {
                "mine/__init__.py": "",
                "mine/models.py": "from django.contrib.auth.models import User\n"
                "from django.db import models\n\n\n"
                "class Profile(models.Model):\n"
                "    user = models.OneToOneField(User, models.CASCADE)\n",
            },
            {"TRIVET_DJANGO_APPS": "mine"},
            "settings.AUTH_USER_MODEL",
        ),
        (
            {"mine/__init__.py": "", "mine/models.py": "from django.db import models\n\n1 / 0\n"},
            {"TRIVET_DJANGO_APPS": "mine"},
            "mine/models.py:3: ",
        ),
        (
            {},
            {"TRIVET_DJANGO_AUDIT": '{"polls.visit": "ignored"}'},
            "TRIVET_DJANGO_AUDIT names polls.visit, and no model of a joined application is",
        ),
        (
            {
                "live/__init__.py": "",
                "live/events.py": "from trivet.events import feed\n\n\n"
                "@feed('polls.Question')\ndef changed(change):\n    return ()\n",
            },
            {"TRIVET_FEATURES": "live"},
            "live.events.changed feeds from 'polls.question', which is no model of a joined",
        ),
    ],
)
def test_what_cannot_join_is_refused_with_its_place(
    installed: Installation,
    tmp_path: Path,
    files: dict[str, str],
    settings: dict[str, str],
    said: str,
) -> None:
    write(tmp_path, files)
    installed.env |= {**settings, "PYTHONPATH": str(tmp_path)}
    refused = run_trivet("check", env=installed.env)
    assert refused.returncode != 0
    assert said in refused.stdout + refused.stderr
