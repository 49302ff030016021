"""What `trivet check` tells of what is probably not meant, and what keeps an application from
starting."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.store import BOX, NOWHERE, RULE, SHELF, write_store
from tests.services.databases import environment, run_trivet


@dataclass(frozen=True)
class Slip:
    """Something that would start, or would not: `finding` is its name in `check`, `state` what
    it is there."""

    name: str
    files: Mapping[str, str]
    finding: str
    state: str
    says: tuple[str, ...] = ()
    models: str | None = SHELF


PAGE = """
from trivet.web import page, requires, staff

routes = [page("/", lambda request: None, policy={policy})]
"""
ADMIN = """
from store.models import Shelf
from trivet_admin import ModelAdmin, register


@register(Shelf)
class ShelfAdmin(ModelAdmin):
    {options}
"""
FEED = """
from dataclasses import dataclass

from store.models import Shelf
from trivet.events import Publication, feed


@dataclass(frozen=True)
class Moved:
    id: int


@feed(Shelf)
def moved(change):
    number, channel = change.instance.id, "store:" + "x"
    yield Publication({channel}, Moved(number))
"""
DECLARED = SHELF.replace(
    '"store_shelf"\n',
    '"store_shelf"\n    __table_args__ = {"info": {"permissions": [("fill_shelf", "Can fill")]}}\n',
)

LOOSE = """
from sqlalchemy import exists
from store.models import Box, Shelf
from trivet.rules import visible


@visible(Shelf)
def some(actor):
    return actor.is_staff or exists().where(Box.id > 0, exists().where(Box.id == Shelf.id){end})
"""

NAMELESS = """
from store.models import Shelf
from trivet.rules import visible


@visible(Shelf{attributes})
def some(actor):
    return actor.is_staff or {condition}
"""

SLIPS = (
    Slip(
        "a rule whose inner sub-select means any row",
        {"rules.py": LOOSE.format(end="")},
        "rules",
        "warning",
        ("store.rules.some", "compares something with store_shelf", "say .correlate(Shelf)"),
        models=SHELF + BOX,
    ),
    Slip(
        "a rule whose inner sub-select says which row it means",
        {"rules.py": LOOSE.format(end=".correlate(Shelf)")},
        "rules",
        "",
        models=SHELF + BOX,
    ),
    Slip(
        "a permission of a page that no model has",
        {"web.py": PAGE.format(policy='requires("store.chnge_shelf")')},
        "permissions",
        "failed",
        ("GET /store/", "store.chnge_shelf", "Did you mean store.change_shelf?", '"permissions"'),
    ),
    Slip(
        "a permission of a route that no model has",
        {
            "api.py": "from fastapi import APIRouter\nfrom trivet_api import requires\n\n"
            "router = APIRouter()\n\n\n"
            "@router.delete('/all', dependencies=[requires('shop.delete_shelf')])\n"
            "async def clear() -> None: ...\n"
        },
        "permissions",
        "failed",
        ("DELETE /api/store/all", "shop.delete_shelf", "Did you mean store.delete_shelf?"),
    ),
    Slip(
        "a permission of a channel that no model has",
        {
            "realtime.py": RULE.replace("import channel", "import channel, requires").replace(
                '{number}"', '{number}", policy=requires("store.vew_shelf")'
            )
        },
        "permissions",
        "failed",
        ("SUBSCRIBE store:shelf:{number}", "store.vew_shelf", "Did you mean store.view_shelf?"),
    ),
    Slip(
        "a permission that a class declares",
        {"web.py": PAGE.format(policy='requires("store.fill_shelf")')},
        "permissions",
        "ok",
        models=DECLARED,
    ),
    Slip(
        "a permission in a service that no model has",
        {
            "web.py": PAGE.format(policy="staff"),
            "services.py": 'def f(a):\n    a.allows("store.fil")\n',
        },
        "permissions",
        "warning",
        ("store/services.py:2", "store.fil"),
    ),
    Slip(
        "a column of a list that is not there",
        {"admin.py": ADMIN.format(options='list_display = ("labell",)')},
        "django",
        "failed",
        ("store.admin.ShelfAdmin", "labell", "admin.E108"),
    ),
    Slip(
        "a search in a column that there is not",
        {"admin.py": ADMIN.format(options='search_fields = ("=label", "^lable")')},
        "django",
        "failed",
        ("store.admin.ShelfAdmin", "'search_fields'", "'lable'", "label"),
        models=SHELF + "    owner_id: Mapped[int | None] = mapped_column("
        "ForeignKey('accounts_user.id'), index=True)\n",
    ),
    Slip(
        "a search in a column of another row that there is not",
        {"admin.py": ADMIN.format(options='search_fields = ("owner__usrname",)')},
        "django",
        "failed",
        ("store.admin.ShelfAdmin", "'search_fields'", "usrname__"),
        models=SHELF + "    owner_id: Mapped[int | None] = mapped_column("
        "ForeignKey('accounts_user.id'), index=True)\n",
    ),
    Slip(
        "a search in a foreign key itself",
        {"admin.py": ADMIN.format(options='search_fields = ("owner",)')},
        "django",
        "failed",
        ("store.admin.ShelfAdmin", "'search_fields'", "icontains"),
        models=SHELF + "    owner_id: Mapped[int | None] = mapped_column("
        "ForeignKey('accounts_user.id'), index=True)\n",
    ),
    Slip(
        "a search by what is no field",
        {"admin.py": ADMIN.format(options='ordering = ("labell",)')},
        "django",
        "failed",
        ("store.admin.ShelfAdmin", "labell", "admin.E033"),
    ),
    Slip(
        "an inline of Django's",
        {
            "admin.py": "from django.contrib.admin import TabularInline\n"
            + ADMIN.format(options="inlines = [type('Boxes', (TabularInline,), {'model': Shelf})]")
        },
        "django",
        "failed",
        ("admin.E106", "TabularInline or StackedInline of trivet_admin"),
    ),
    Slip(
        "an admin.py that registers nothing",
        {"admin.py": "from trivet_admin import ModelAdmin\n"},
        "admin",
        "warning",
        ("store/admin.py", "registers nothing", "@register(TheClass)"),
    ),
    Slip(
        "an admin.py that registers a class with somebody else's admin",
        {
            "admin.py": "from store.models import Shelf\n"
            "from trivet_admin import ModelAdmin, register\n\nregister(Shelf)(ModelAdmin)\n"
        },
        "admin",
        "",
    ),
    Slip(
        "a channel without a rule",
        {"events.py": FEED.format(channel='f"store:box:{number}"'), "realtime.py": RULE},
        "channels",
        "warning",
        ("store/events.py:16", "'store:box:{…}'", "store/realtime.py", "nobody may subscribe"),
    ),
    Slip(
        "a channel with a rule",
        {"events.py": FEED.format(channel='f"store:shelf:{number}"'), "realtime.py": RULE},
        "channels",
        "",
    ),
    Slip(
        "a channel of which too little is written out",
        {"events.py": FEED.format(channel='f"{channel}"'), "realtime.py": RULE},
        "channels",
        "",
    ),
    Slip(
        "a channel of a feature without rules",
        {"events.py": FEED.format(channel='"store:all"')},
        "channels",
        "warning",
        ("no realtime.py of a feature store",),
    ),
    *(
        Slip(
            f"{name} for {plug}",
            {f"{name}.py": ""},
            "files",
            "warning",
            (f"store/{name}.py", f"Did you mean {plug}.py?"),
        )
        for name, plug in (
            ("event", "events"),
            ("admins", "admin"),
            ("real_time", "realtime"),
            ("apis", "api"),
            ("webs", "web"),
            ("Api", "api"),
            ("rule", "rules"),
            ("channels", "realtime"),
            ("views", "web"),
        )
    ),
    Slip(
        "a file like a plug that a plug imports",
        {"feeds.py": "", "web.py": "import store.feeds\nroutes = []\n"},
        "files",
        "",
    ),
    Slip(
        "a file of the feature's own",
        {"schemas.py": "", "gates.py": "", "roles.py": "", "adapters.py": ""},
        "files",
        "",
    ),
    Slip(
        "a model.py in place of models.py",
        {"model.py": "", "web.py": "routes = []\n"},
        "files",
        "warning",
        ("Did you mean models.py?",),
        None,
    ),
    Slip(
        "a foreign key without an index",
        {},
        "indexes",
        "warning",
        ("store_box.shelf_id refers to store_shelf", "index=True"),
        SHELF + BOX + "    shelf_id: Mapped[int] = mapped_column(ForeignKey('store_shelf.id'))\n",
    ),
    Slip(
        "a foreign key that a unique one begins with",
        {},
        "indexes",
        "",
        (),
        SHELF
        + BOX
        + "    shelf_id: Mapped[int] = mapped_column(ForeignKey('store_shelf.id'), unique=True)\n",
    ),
    Slip("only channels", {"realtime.py": RULE}, "features", "ok", ("store",), None),
)


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.name)
def test_check_tells_what_is_probably_not_meant(slip: Slip, tmp_path: Path) -> None:
    write_store(tmp_path, slip.files, slip.models)
    env = environment(NOWHERE, features="store")

    done = run_trivet("check", "--json", env=env, cwd=tmp_path)

    found = [each for each in _findings(done) if each["name"] == slip.finding]
    if not slip.state:
        assert found == []
        return
    (finding,) = [each for each in found if each["state"] == slip.state]
    for words in slip.says:
        assert words in finding["sentence"]


@pytest.mark.parametrize(
    ("attributes", "condition", "said"),
    [
        ("", "Shelf.idd == actor.user_id", "'idd'. Did you mean id?"),
        (", 'height'", "actor.is_bos", "'is_bos'"),
        ("", "Shelves.id > 0", "name 'Shelves' is not defined"),
    ],
)
def test_check_says_which_line_of_a_rule_names_what_does_not_exist(
    tmp_path: Path, attributes: str, condition: str, said: str
) -> None:
    rules = NAMELESS.format(attributes=attributes, condition=condition)
    models = SHELF + "    height: Mapped[int]\n"
    write_store(tmp_path, {"rules.py": rules}, models)

    done = run_trivet("check", "--json", env=environment(NOWHERE, features="store"), cwd=tmp_path)

    (finding,) = [each for each in _findings(done) if each["name"] == "rules"]
    assert finding["state"] == "failed"
    assert "store/rules.py:8: the rule store.rules.some fails: " in finding["sentence"]
    assert said in finding["sentence"]


@pytest.mark.parametrize("slip", [s for s in SLIPS if s.state == "failed"], ids=lambda s: s.name)
def test_what_fails_the_check_keeps_the_application_from_starting(
    slip: Slip, tmp_path: Path
) -> None:
    write_store(tmp_path, slip.files, slip.models)
    env = environment(NOWHERE, features="store")

    done = run_trivet("serve", "--bind", f"unix:{tmp_path}/socket", env=env, cwd=tmp_path)

    assert done.returncode == 3, done
    for words in slip.says:
        assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_permission_of_a_mount_that_no_model_has_keeps_the_application_from_starting(
    tmp_path: Path,
) -> None:
    (tmp_path / "old.py").write_text("async def app(scope, receive, send): ...\n")
    env = environment(
        NOWHERE,
        extra_mounts='{"/old": "asgi:old:app"}',
        mount_policies='{"/old": "departures.vew_flight"}',
    )

    done = run_trivet("serve", "--bind", f"unix:{tmp_path}/socket", env=env, cwd=tmp_path)

    assert done.returncode == 3, done
    assert "/old/* asks for the permission departures.vew_flight" in done.stderr
    assert "Did you mean departures.view_flight?" in done.stderr


def test_a_folder_that_hides_a_library_is_named(tmp_path: Path) -> None:
    (tmp_path / "starlette").mkdir()
    (tmp_path / "starlette" / "__init__.py").touch()

    done = subprocess.run(
        [sys.executable, "-m", "trivet_deploy.cli", "routes"],
        env=environment(NOWHERE),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 3, done
    assert f"{tmp_path}/starlette hides the installed package starlette" in done.stderr
    assert "Traceback" not in done.stderr


def _findings(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode in {0, 1}, done
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
