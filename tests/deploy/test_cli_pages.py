"""`trivet check` opens each page of the admin once, before anybody else does."""

import json
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.deploy.store import write_store
from tests.services.databases import environment, run_trivet

MODELS = """
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
"""
A_CLASS = """

class {0}(Model):
    __tablename__ = "store_{0}"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
"""
ADMIN = """
from store import models
from trivet_admin import ModelAdmin, register
"""
AN_ADMIN = """

@register(models.{0})
class {0}Admin(ModelAdmin):
{1}
"""
PAGES = {
    "Good": ('    list_display = ("id", "label")', "", ""),
    "Listed": (
        '    list_display = ("half",)\n\n    def half(self, row):\n        return row.id / 0',
        "/admin/store/listed/",
        "ZeroDivisionError",
    ),
    "Asked": (
        "    def get_queryset(self, request):\n"
        "        return super().get_queryset(request).extra(where=['colour = 1'])",
        "/admin/store/asked/",
        "colour",
    ),
    "Added": (
        "    def get_changeform_initial_data(self, request):\n        return {}['label']",
        "/admin/store/added/add/",
        "KeyError",
    ),
    "Changed": (
        "    def get_readonly_fields(self, request, obj=None):\n"
        "        return () if obj is None else [obj.label.lost]",
        "/admin/store/changed/7/change/",
        "AttributeError",
    ),
}
"""The body of an admin class, the page that it breaks, and how."""


def test_a_page_that_cannot_be_shown_is_told_with_its_address(
    fresh_database_url: str, tmp_path: Path
) -> None:
    admin = "".join(AN_ADMIN.format(name, body) for name, (body, _, _) in PAGES.items())
    write_store(tmp_path, {"admin.py": ADMIN + admin}, MODELS + "".join(map(A_CLASS.format, PAGES)))
    env = environment(fresh_database_url, features="departures,store")
    for command in (["makemigrations", "store", "-m", "classes"], ["migrate"]):
        done = run_trivet(*command, env=env, cwd=tmp_path)
        assert done.returncode == 0, done
    engine = create_engine(fresh_database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        for name in PAGES:
            connection.execute(text(f"INSERT INTO \"store_{name}\" VALUES (7, 'top')"))

    done = run_trivet("check", "--json", env=env, cwd=tmp_path)

    assert done.returncode == 1, done
    found = [each for each in json.loads(done.stdout) if each["name"] == "pages"]
    broken = [(path, reason) for _, path, reason in PAGES.values() if path]
    assert [each["state"] for each in found] == ["failed"] * len(broken)
    for finding, (path, reason) in zip(found, broken, strict=True):
        assert finding["sentence"].startswith(f"{path} cannot be shown: ")
        assert reason in finding["sentence"]
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM django_session")) == 0
    engine.dispose()
