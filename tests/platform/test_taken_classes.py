"""Somebody else's classes: where a feature says that they are, and what is said if they are not."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from trivet.errors import ConfigurationError
from trivet.features import Feature, load_features
from trivet.models.mapped import our_mappers
from trivet.models.owners import owner_of

BASE = "from sqlalchemy.orm import *\nclass Base(DeclarativeBase): ...\n"


def mapped(name: str) -> str:
    return (
        f"class {name}(Base):\n"
        f"    __tablename__ = '{name.lower()}'\n"
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
    )


FILES = {
    "taken/__init__.py": "",
    "taken/main.py": "raise RuntimeError('not to be imported')",
    "taken/db/__init__.py": BASE,
    "taken/db/one.py": "from taken.db import *\n" + mapped("TakenOne"),
    "taken/db/deep/two.py": "from taken.db import *\n" + mapped("TakenTwo"),
    "taken/db/deep/__init__.py": "",
    "taken/db/migrations/env.py": "raise RuntimeError('not to be imported')",
    "taken/db/migrations/__init__.py": "",
    "taken/broken/__init__.py": "import no_such_library",
    "takes/__init__.py": "",
    "takes/models.py": "taken_from = ['taken.db']",
    "splits/__init__.py": "",
    "splits/models/__init__.py": "",
    "splits/models/part.py": BASE + mapped("SplitPart"),
    "empty/__init__.py": "",
    "wrong/models.py": "taken_from = 7",
    "lost/models.py": "taken_from = 'taken.nowhere'",
}

Write = Callable[[Mapping[str, str]], None]


@pytest.fixture(autouse=True)
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The packages, which are forgotten at the end."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    load_features([])
    roots = {name.partition("/")[0] for name in FILES}
    for name in [each for each in sys.modules if each.partition(".")[0] in roots]:
        del sys.modules[name]
    gc.collect()  # a class that stays would belong to whom the next test has bring its registry


@pytest.mark.parametrize(
    ("entry", "feature", "classes"),
    [
        ("books=taken.db", Feature("books", "taken.db", True), {"TakenOne", "TakenTwo"}),
        ("one=taken.db.one", Feature("one", "taken.db.one", True), {"TakenOne"}),
        ("takes", Feature("takes", "takes"), {"TakenOne", "TakenTwo"}),
        ("splits", Feature("splits", "splits"), {"SplitPart"}),
    ],
)
def test_the_classes_of_a_package_are_those_of_the_feature_that_names_it(
    entry: str, feature: Feature, classes: set[str]
) -> None:
    assert load_features([entry]) == (feature,)
    owners = {each.class_.__name__: owner_of(each) for each in our_mappers()}
    assert {name for name, owner in owners.items() if owner == feature.name} == classes


def test_the_package_that_defines_a_class_has_it_before_the_one_that_takes_it() -> None:
    load_features(["everything=taken.db", "rest=taken.db.deep"])
    deep: Any = sys.modules["taken.db.deep.two"]
    one: Any = sys.modules["taken.db.one"]
    assert owner_of(inspect(deep.TakenTwo)) == "rest"
    assert owner_of(inspect(one.TakenOne)) == "everything"


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("books=taken.nowhere", "TRIVET_FEATURES names 'taken.nowhere', and there is no such"),
        ("books=nowhere", "TRIVET_FEATURES names 'nowhere', and there is no such"),
        ("books=empty", "names 'empty', and no class is mapped there. Cure: name the package"),
        ("books=taken.broken", "taken/broken/__init__.py:1: there is no module 'no_such_library'"),
        ("admin=taken.db", "'admin' is taken: write other=taken.db."),
        ("wrong", "wrong/models.py: its taken_from is no name of a package. Cure: taken_from = "),
        ("lost", "lost/models.py names 'taken.nowhere', and there is no such package"),
        ("taken.db.one", "If only the mapped classes of the module are meant, write one=taken.db"),
    ],
)
def test_a_package_that_brings_nothing_is_refused_with_the_cure(entry: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_features([entry])
    assert said in refused.value.detail


def test_a_feature_of_classes_alone_has_no_files() -> None:
    (feature,) = load_features(["books=taken.db"])
    assert not feature.has_file("migrations")
    assert feature.find_module("one") is None
    assert feature.title == "Books"
