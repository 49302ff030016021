"""What the author of a feature is told of a mistake: the line, what is wrong, and the cure.

Each row is a slip of a first day, in files of its own, with what the command prints for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.store import BOX, NOWHERE, SHELF, write_store
from tests.services.databases import environment, run_trivet


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
        "a type in the place of a column",
        {},
        (
            "store/models.py: Shelf.label is a type and no column",
            "label: Mapped[str] = mapped_column(String(length=200))",
        ),
        models="from sqlalchemy import String\n\n"
        + SHELF
        + "    KIND = String(9)\n    kind: Mapped[str] = mapped_column(KIND)\n"
        + "    label = String(200)\n",
        never=("KIND",),
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
        (
            "Shelf.owner_id refers to auth_user.id",
            "Write ForeignKey(User.id), with User of trivet.",
        ),
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
        "a text that means the feature's own User or the one of Trivet",
        {},
        ("store.models.User, trivet.identity.user.User", "relationship(User)"),
        models=SHELF
        + "    user_id: Mapped[int] = mapped_column(ForeignKey('store_user.id'))\n"
        + "    user: Mapped['User'] = relationship()\n\n\n"
        + "class User(Model):\n    __tablename__ = 'store_user'\n\n"
        + "    id: Mapped[int] = mapped_column(primary_key=True)\n",
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
        "static files for everybody that are for staff",
        {
            "static/store/plan.css": "body {}",
            "web.py": "from pathlib import Path\nfrom trivet.web import files, staff\n"
            'routes = [files("/files", Path(__file__).parent / "static", policy=staff)]\n',
        },
        ("store/static/store is for everybody", "move what is not for everybody into another"),
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


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_told_with_its_place_and_its_cure(mistake: Mistake, tmp_path: Path) -> None:
    write_store(tmp_path, mistake.files, mistake.models)
    # The second name of a file in a package within a package.
    env = environment(NOWHERE, features=mistake.features) | {"PYTHONPATH": str(tmp_path / "store")}

    done = run_trivet("routes", env=env, cwd=tmp_path)

    assert done.returncode == 3, done
    for words in mistake.says:
        assert words in done.stderr
    for words in ("Traceback", *mistake.never):
        assert words not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, "a mistake is one line"
