"""The table of private names is held against the code, in both directions."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.private_names import PRIVATE_NAMES, PrivateName

ROOT = Path(__file__).parent.parent
SOURCES = ("platform", "api", "admin", "realtime", "deploy", "settings")
PUBLIC = {"_meta", "_state", "_default_manager", "_current_frames", "_exit", "_replace"}
"""Public by the documents of Django, `sys`, `os` and `collections`, for all their underscores."""


def _id(row: PrivateName) -> str:
    return f"{row.library} {row.name}"


@pytest.mark.parametrize("row", PRIVATE_NAMES, ids=_id)
def test_a_row_names_a_use_and_a_test(row: PrivateName) -> None:
    assert re.search(rf"\b{row.name}\b", (ROOT / row.where).read_text(encoding="utf-8"))
    file, _, function = row.test.partition("::")
    assert f"def {function}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("row", PRIVATE_NAMES, ids=_id)
def test_a_library_whose_private_names_are_used_is_bounded_above(row: PrivateName) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = {each.name: each for each in map(Requirement, project["dependencies"])}
    assert any(each.operator in {"<", "<="} for each in asked[row.library].specifier)


def test_every_private_attribute_of_a_library_stands_in_the_table() -> None:
    known = {row.name for row in PRIVATE_NAMES}
    found = {use for path in _sources() for use in _foreign_private_attributes(path)}
    assert sorted(use for use in found if use[1] not in known) == []


def test_every_private_name_that_a_class_shares_with_a_librarys_stands_in_the_table() -> None:
    scan = [sys.executable, "-m", "tests.overridden_names"]
    done = subprocess.run(scan, cwd=ROOT, capture_output=True, text=True, check=True)
    found = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert ("platform/trivet/data/pool.py", "_do_get", "sqlalchemy") in found
    known = {row.name for row in PRIVATE_NAMES} | PUBLIC
    assert sorted(each for each in found if each[1] not in known) == []


def test_a_private_attribute_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "guilty.py"
    file.write_text("def f(other, self):\n    self._own = 1\n    return other._theirs, self._own\n")
    assert [name for _, name in _foreign_private_attributes(file)] == ["_theirs"]


def _sources() -> Iterator[Path]:
    for root in SOURCES:
        yield from sorted((ROOT / root).rglob("*.py"))


def _foreign_private_attributes(path: Path) -> Iterator[tuple[str, str]]:
    """Attributes with an underscore that no code of ours defines: file and name."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = _defined(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not re.match(r"_[^_]", node.attr):
            continue
        if node.attr not in own | PUBLIC:
            yield path.name, node.attr


def _defined(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inherits_only = isinstance(node, ast.FunctionDef) and _calls_super(node)
            if not inherits_only:
                found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}:
                found.add(node.attr)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _calls_super(function: ast.FunctionDef) -> bool:
    """Whether a method extends a library's of the same name, and so is none of ours alone."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == function.name
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
        for node in ast.walk(function)
    )
