"""Django applications of other people meet what they expect of Django."""

import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.admin.forms import read_page
from tests.admin.house import ORIGIN, PASSWORD, House

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("following", ["", "?next=https://elsewhere.example/", "?next=//elsewhere"])
@pytest.mark.parametrize("outer", ["", "/pre"])
async def test_a_login_that_was_asked_for_no_page_of_ours_goes_to_the_index(
    house: House, following: str, outer: str
) -> None:
    transport = httpx2.ASGITransport(app=house.app, root_path=outer)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        path = f"{outer}/admin/login/{following}"
        form = read_page(await client.get(path)).form
        answer = await client.post(path, data={**form, "username": "boss", "password": PASSWORD})
        assert answer.status_code == 302
        assert answer.headers["location"] == f"{outer}/admin/"
        assert (await client.get(answer.headers["location"])).status_code == 200


EARLY = """
import json
from trivet_deploy.asgi import create_app
from trivet_settings import load_settings

create_app(load_settings(env_file=None))
from tests.admin.early.apps import LOADED

print(json.dumps({moment: "<title>" in page for moment, page in LOADED.items()}))
"""


def test_templates_can_be_rendered_while_modules_are_imported(tmp_path: Path) -> None:
    """In a process of its own, since Django is configured once."""
    variables = {
        "TRIVET_SECRET_KEY": "a-secret-of-the-tests-that-guards-nothing-at-all",
        "TRIVET_DATABASE_URL": f"sqlite:///{tmp_path / 'early.sqlite3'}",
        "TRIVET_FEATURES": "tests.admin.early",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", EARLY],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    moments = json.loads(done.stdout.splitlines()[-1])
    assert moments == dict.fromkeys(("models", "admin", "ready", "api", "web"), True)


def names_of_djangos() -> frozenset[str]:
    """Every name that Django's admin uses of a ModelAdmin or of what belongs to one, and what its
    methods call their arguments: other people's mixins keep those under the same names."""
    from django.contrib.admin import ModelAdmin, StackedInline, TabularInline
    from django.contrib.admin.sites import AdminSite
    from django.contrib.admin.views.main import ChangeList

    found: set[str] = set()
    for cls in (ModelAdmin, StackedInline, TabularInline, AdminSite, ChangeList):
        found |= set(dir(cls))
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            parameters = inspect.signature(method).parameters
            found |= set(parameters) if not name.startswith("__") else set()
    return frozenset(found - {"self"})


@pytest.mark.usefixtures("stock")
def test_columns_of_our_admins_take_no_name_that_djangos_admin_uses() -> None:
    from django.contrib import admin

    taken = names_of_djangos()
    assert {"request", "get_urls", "queryset", "obj", "list_display"} <= taken
    ours = [
        each for each in admin.site._registry.values() if type(each).__module__.startswith("trivet")
    ]
    assert len(ours) >= 3
    clashes = {
        f"{type(each).__name__}.{name}" for each in ours for name in columns_of(each) & taken
    }
    assert clashes == set()


def columns_of(model_admin: Any) -> set[str]:
    """The columns that a ModelAdmin computes by methods of its own."""
    shown = {*model_admin.list_display, *(model_admin.fields or ()), *model_admin.readonly_fields}
    shown -= {"__str__"}  # Django's word for the object itself
    return {name for name in shown if isinstance(name, str) and hasattr(type(model_admin), name)}
