"""What the author of a feature is told of a mistake: the line, what is wrong, and the cure.

Each row is a slip of a first day, in files of its own, with what the command prints for it.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.services.databases import environment, run_trivet

NOWHERE = "sqlite:///nowhere/missing.sqlite3"

SHELF = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model


class Shelf(Model):
    __tablename__ = "store_shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
"""
BOX = """

class Box(Model):
    __tablename__ = "store_box"

    id: Mapped[int] = mapped_column(primary_key=True)
"""
RULE = """
from trivet_realtime import channel


@channel("store:shelf:{number}")
def shelf(number: str) -> bool:
    return True
"""


@dataclass(frozen=True)
class Mistake:
    """A mistake that keeps the application from starting. `files` lie in the package `store`."""

    name: str
    files: Mapping[str, str]
    says: tuple[str, ...]
    features: str = "store"
    models: str | None = SHELF
    never: tuple[str, ...] = field(default=("This is a bug", "sqlalche.me"))


MISTAKES = (
    Mistake(
        "a syntax error",
        {"api.py": "\n\nrouter = = 1\n"},
        ("store/api.py:3: ", "no valid Python", "invalid syntax"),
        never=("frozen",),
    ),
    Mistake(
        "an indentation that is none",
        {"events.py": "def f():\nreturn 1\n"},
        ("store/events.py:2: ", "no valid Python"),
    ),
    Mistake(
        "an import of nothing",
        {"web.py": "import os\n\nimport starlete\n"},
        ("store/web.py:3: ", "no module 'starlete'"),
    ),
    Mistake(
        "a name that a module has not",
        {"api.py": "from trivet_api import Unit, require\n"},
        ("store/api.py:1: ", "'require'"),
    ),
    Mistake(
        "an error of any kind, deep below",
        {"api.py": "from store.prices import x\n", "prices.py": "x = {}['gross']\n"},
        ("store/prices.py:1: ", "KeyError", "gross", "trivet --debug"),
    ),
    Mistake(
        "two files that import each other",
        {
            "api.py": "from store.prices import gross\n\nnet = 1\n",
            "prices.py": "from store.api import net\n\ngross = 2\n",
        },
        ("store/prices.py:1: ", "store.api is not fully loaded yet", "a third one"),
    ),
    Mistake(
        "a package that cannot be imported",
        {"__init__.py": "\nfrom os import pathh\n"},
        ("store/__init__.py:2: ", "pathh"),
    ),
    Mistake(
        "a package within one that cannot be imported",
        {"__init__.py": "\n\nraise ValueError('no shelf')\n", "sub/__init__.py": ""},
        ("store/__init__.py:3: ", "ValueError: no shelf"),
        features="store.sub",
    ),
    Mistake(
        "an admin.py that cannot be imported",
        {"admin.py": "from store.models import Shelve\n"},
        ("store/admin.py:1: ", "Shelve"),
    ),
    Mistake(
        "an api.py without a router",
        {"api.py": "app = 1\n"},
        ("store/api.py: ", "no router", "router = APIRouter()"),
    ),
    Mistake(
        "a router that is something else",
        {"api.py": "router = []\n"},
        ("store/api.py: ", "its router is a list", "router = APIRouter()"),
    ),
    Mistake(
        "a web.py without routes",
        {"web.py": "pages = []\n"},
        ("store/web.py: ", "no routes", "trivet.web.page"),
    ),
    Mistake(
        "a realtime.py without a rule",
        {"realtime.py": "def shelf() -> bool:\n    return True\n"},
        ("store.realtime", "declares no channel", '@channel("store:'),
    ),
    Mistake(
        "an events.py without a feed",
        {"events.py": "x = 1\n"},
        ("store.events", "declares no feed", "@feed(Model)"),
    ),
    Mistake(
        "a class without a primary key",
        {},
        ("store/models.py:15: ", "Crate has no primary key", "primary_key=True"),
        models=SHELF
        + "\n\nclass Crate(Model):\n    __tablename__ = 'store_crate'\n    size: Mapped[int]\n",
    ),
    Mistake(
        "a class without a table",
        {},
        ("store/models.py:15: ", "Crate has no table", '"store_crate"'),
        models=SHELF + "\n\nclass Crate(Model):\n    id: Mapped[int] = mapped_column()\n",
    ),
    Mistake(
        "two classes on one table",
        {},
        ("store/models.py:15: ", "Shelf of store.models has the table store_shelf already"),
        models=SHELF + BOX.replace("store_box", "store_shelf"),
        never=("extend_existing",),
    ),
    Mistake(
        "a type that no column has",
        {},
        ("store/models.py:8: ", "complex", "weight", "mapped_column(String(80))"),
        models=SHELF + "    weight: Mapped[complex]\n",
    ),
    *(
        Mistake(
            f"a container that no column has: {written}",
            {},
            ("store/models.py:10: ", said, "parts", f"parts: Mapped[{cure}]"),
            models="from typing import Any\n\n" + SHELF + f"    parts: Mapped[{written}]\n",
            never=("registry", "String(80)"),
        )
        for written, said, cure in (
            ("list[int]", "list[int]", "list[Any]"),
            ("list[str] | None", "list[str]", "list[Any]"),
            ("dict[str, list[int]]", "dict[str, list[int]]", "dict[str, Any]"),
            ("dict", "stands for dict.", "dict[str, Any]"),
        )
    ),
    Mistake(
        "a column without Mapped",
        {},
        ("store/models.py:8: ", "the annotation of height in Shelf", "height: Mapped[…]"),
        models=SHELF + "    height: int\n",
        never=("__allow_unmapped__",),
    ),
    Mistake(
        "a class on a table of Django's",
        {},
        ("store/models.py:15: ", "the table auth_permission is Django's"),
        models=SHELF + BOX.replace("store_box", "auth_permission"),
    ),
    *(
        Mistake(
            f"a policy that is written as {written}",
            {
                "api.py": "from fastapi import APIRouter\n"
                "from trivet_api import authenticated, requires\n\nrouter = APIRouter()\n\n\n"
                f"@router.get('/all', dependencies={written})\nasync def show() -> None: ...\n"
            },
            ("store/api.py:7: ", says, "write dependencies=["),
            never=("TypeError", "AttributeError"),
        )
        for written, says in (
            ("[authenticated()]", "a policy is not called"),
            ("requires('store.view_shelf')", "policies stand in a list"),
            ("['store.view_shelf']", "the name of a permission is no policy"),
        )
    ),
    Mistake(
        "an enum of numbers",
        {},
        ("store/models.py:12: ", "the values of Size are no texts", "enum.StrEnum"),
        models="import enum\n\nclass Size(enum.Enum):\n    S = 1\n"
        + SHELF
        + "    size: Mapped[Size]\n",
    ),
    Mistake(
        "a foreign key to no table",
        {},
        ("store/models.py: Shelf.hall_id refers to hall.id", "no table hall"),
        models=SHELF + "    hall_id: Mapped[int] = mapped_column(ForeignKey('hall.id'))\n",
    ),
    Mistake(
        "a foreign key to a table of nearly this name",
        {},
        ("Box.shelf_id refers to store_shelfs.id", "Did you mean store_shelf?"),
        models=SHELF
        + BOX
        + "    shelf_id: Mapped[int] = mapped_column(ForeignKey('store_shelfs.id'))\n",
    ),
    Mistake(
        "a foreign key to no column",
        {},
        ("Box.shelf_id refers to store_shelf.ident", "store_shelf has no column ident"),
        models=SHELF
        + BOX
        + "    shelf_id: Mapped[int] = mapped_column(ForeignKey('store_shelf.ident'))\n",
    ),
    Mistake(
        "a foreign key to users as Django calls them",
        {},
        ("Shelf.owner_id refers to auth_user.id", "The table of users is accounts_user."),
        models=SHELF + "    owner_id: Mapped[int] = mapped_column(ForeignKey('auth_user.id'))\n",
    ),
    Mistake(
        "a relationship to no class",
        {},
        ("relationship of Box names Shelff", "Did you mean Shelf?"),
        models=SHELF
        + BOX
        + "    shelf_id: Mapped[int] = mapped_column(ForeignKey('store_shelf.id'))\n"
        + "    shelf: Mapped['Shelff'] = relationship()\n",
    ),
    Mistake(
        "an admin of a class that is not mapped",
        {
            "admin.py": "from trivet_admin import ModelAdmin, register\n\nclass Bin: ...\n\n"
            "@register(Bin)\nclass BinAdmin(ModelAdmin): ...\n"
        },
        ("store/admin.py:5: ", "Bin is no mapped class", "class Bin(Model)"),
        never=("inspection system",),
    ),
    Mistake(
        "an admin of the admin itself",
        {
            "admin.py": "from trivet_admin import ModelAdmin, register\n\n"
            "class A(ModelAdmin): ...\n\nregister(A)\n"
        },
        ("store/admin.py:5: ", "A is no mapped class", "@register(Flight)"),
    ),
    Mistake(
        "an admin of a model of Django's by our register",
        {
            "admin.py": "from django.contrib.auth.models import Group\n"
            "from trivet_admin import ModelAdmin, register\n\nregister(Group)\n"
        },
        ("store/admin.py:4: ", "model of Django's", "@admin.register(Group)"),
    ),
    Mistake(
        "register without a class",
        {"admin.py": "from trivet_admin import register\n\nregister()\n"},
        ("store/admin.py:3: ", "names no class"),
    ),
    Mistake(
        "Django's own register with a mapped class",
        {
            "admin.py": "from django.contrib import admin\nfrom store.models import Shelf\n\n"
            "@admin.register(Shelf)\nclass ShelfAdmin(admin.ModelAdmin): ...\n"
        },
        ("store/admin.py:4: ", "the mapped class Shelf", "@register(Shelf)", "trivet_admin"),
        never=("_meta", "AttributeError"),
    ),
    Mistake(
        "a column that the admin cannot show",
        {
            "admin.py": "from store.models import Shelf\n"
            "from trivet_admin import ModelAdmin, register\n\n\n@register(Shelf)\n"
            "class ShelfAdmin(ModelAdmin): ...\n"
        },
        ("store/admin.py:5: ", "store_shelf", "parts"),
        models=SHELF.replace("String\n", "ARRAY, String\n")
        + "    parts: Mapped[list[str]] = mapped_column(ARRAY(String))\n",
    ),
    *(
        Mistake(
            f"a column in the admin that is called {name}",
            {
                "admin.py": "from store.models import Shelf\n"
                "from trivet_admin import ModelAdmin, register\n\n\n@register(Shelf)\n"
                "class ShelfAdmin(ModelAdmin): ...\n"
            },
            ("store/admin.py:5: ", f"Shelf: its attribute {name} ", f"mapped_column('{name}', …)"),
            models=SHELF + f"    {name}: Mapped[{kind}]\n",
        )
        for name, kind in (
            ("clean", "bool"),
            ("full_clean", "int"),
            ("delete", "str | None"),
            ("objects", "int"),
            ("pk_", "int"),
        )
    ),
    Mistake(
        "a foreign key in the admin that is called as a method",
        {
            "admin.py": "from store.models import Shelf\n"
            "from trivet_admin import ModelAdmin, register\n\n\n@register(Shelf)\n"
            "class ShelfAdmin(ModelAdmin): ...\n"
        },
        ("store/admin.py:5: ", "Shelf: its attribute check_id "),
        models=SHELF
        + "    check_id: Mapped[int] = mapped_column(ForeignKey('accounts_user.id'))\n",
    ),
    Mistake("Python's own module", {}, ("'wave' is Python's own module",), features="wave"),
    Mistake("Python's own package", {}, ("'email' is Python's own",), features="email.mime"),
    Mistake(
        "an installed library",
        {},
        ("'alembic'", "installed library", "models.py"),
        features="alembic",
    ),
    Mistake(
        "a module", {"shed.py": ""}, ("shed.py is a module", "a folder"), features="store.shed"
    ),
    Mistake("an app of Django's", {}, ("'messages' is taken",), features="store.messages"),
    Mistake(
        "a package with none of the files",
        {"shed/__init__.py": "", "shed/modles.py": ""},
        ("'store.shed'", "has none of models.py, events.py"),
        features="store.shed",
    ),
    Mistake(
        "a file under two names",
        {
            "sub/__init__.py": "",
            "sub/models.py": SHELF,
            "sub/api.py": "from sub.models import Shelf\n",
        },
        ("store/sub/api.py:1: ", "imported under two names", "import it as store.sub.models"),
        features="store.sub",
        models=None,
        never=("extend_existing",),
    ),
)


def _write(tmp_path: Path, files: Mapping[str, str], models: str | None) -> None:
    package = tmp_path / "store"
    package.mkdir()
    named = {"__init__.py": "", **({"models.py": models} if models is not None else {}), **files}
    for name, text in named.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_with_its_place_and_its_cure(mistake: Mistake, tmp_path: Path) -> None:
    _write(tmp_path, mistake.files, mistake.models)
    # The second name of a file in a package within a package.
    env = environment(NOWHERE, features=mistake.features) | {"PYTHONPATH": str(tmp_path / "store")}

    done = run_trivet("routes", env=env, cwd=tmp_path)

    assert done.returncode == 3, done
    for words in mistake.says:
        assert words in done.stderr
    for words in ("Traceback", *mistake.never):
        assert words not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, "a mistake is one line"


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

SLIPS = (
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
        "an admin.py that registers nothing",
        {"admin.py": "from trivet_admin import ModelAdmin\n"},
        "admin",
        "warning",
        ("store/admin.py", "registers nothing", "@register(TheClass)"),
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
    _write(tmp_path, slip.files, slip.models)
    env = environment(NOWHERE, features="store")

    done = run_trivet("check", "--json", env=env, cwd=tmp_path)

    found = [each for each in _findings(done) if each["name"] == slip.finding]
    if not slip.state:
        assert found == []
        return
    (finding,) = [each for each in found if each["state"] == slip.state]
    for words in slip.says:
        assert words in finding["sentence"]


@pytest.mark.parametrize("slip", [s for s in SLIPS if s.state == "failed"], ids=lambda s: s.name)
def test_what_fails_the_check_keeps_the_application_from_starting(
    slip: Slip, tmp_path: Path
) -> None:
    _write(tmp_path, slip.files, slip.models)
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
