"""The public surface: what the sources offer is what the file and the reference say."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests import newest, surface

EXAMPLES = surface.ROOT / "examples"


def test_the_surface_and_the_reference_are_what_the_sources_say() -> None:
    """A change of the surface is a decision: look at it, then `make reference`."""
    for path, text in surface.written().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_every_public_callable_says_what_it_promises() -> None:
    silent = [
        f"{module}.{name}"
        for module, loaded in surface.load().items()
        for name, found in surface.exported(loaded)
        if not found.is_alias and (found.is_class or found.is_function) and not found.docstring
    ]
    assert silent == []


def _imports(text: str) -> Iterator[tuple[str, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("trivet"):
            yield from ((node.module or "", each.name) for each in node.names)
        elif isinstance(node, ast.Import):
            yield from ((each.name, "") for each in node.names if each.name.startswith("trivet"))


def test_the_example_imports_nothing_that_is_internal() -> None:
    """Migrations are generated, and import the column types that they store."""
    offered = {
        (module, name)
        for module, loaded in surface.load().items()
        for name, _ in surface.exported(loaded)
    }
    files = [path for path in EXAMPLES.rglob("*.py") if path.parent.name != "migrations"]
    internal = [
        f"{path.relative_to(EXAMPLES)}: {module} {name}"
        for path in files
        for module, name in _imports(path.read_text(encoding="utf-8"))
        if (module, name) not in offered
    ]
    assert len(files) > 10
    assert internal == []


def test_the_reference_has_no_page_of_a_module_that_is_not_public() -> None:
    pages = {path.stem for path in surface.REFERENCE.glob("*.md")} - {"README"}
    assert pages == {*surface.PUBLIC, "settings"}


def test_a_strict_type_checker_sees_every_public_name(tmp_path: Path) -> None:
    """As a feature's author would run it: strict, and without a plugin."""
    # Two modules may use one name: `events.py` and `rules.py` have a Change each.
    names = {
        module: [f"{name} as name_{number}_{name}" for name, _ in surface.exported(loaded)]
        for number, (module, loaded) in enumerate(surface.load().items())
    }
    imports = [f"from {module} import {', '.join(each)}" for module, each in names.items()]
    file = tmp_path / "feature.py"
    file.write_text("\n".join(imports) + "\n", encoding="utf-8")
    # With the settings of `make check`, whose cache it reads: from nothing it takes a minute.
    settings = tomllib.loads((surface.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"][
        "mypy"
    ]
    assert settings["strict"]
    assert "plugins" not in settings
    done = subprocess.run(
        [sys.executable, "-m", "mypy", str(file)],
        cwd=surface.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("django>=5.2,<6.2", "django>=5.2"),
        ("psycopg[binary,pool]>=3.3, <3.4", "psycopg[binary,pool]>=3.3"),
        (
            "uvloop>=0.23,<1; platform_system != 'Windows'",
            "uvloop>=0.23; platform_system != 'Windows'",
        ),
        ("rich>=15", "rich>=15"),
    ],
)
def test_the_newest_versions_are_asked_for_without_an_upper_bound(
    requirement: str, expected: str
) -> None:
    assert newest.unbounded(requirement) == expected


def test_what_is_newer_is_told_by_the_version_that_the_lock_has_for_this_python() -> None:
    lock = f"""\
pytest==0.1 ; python_full_version < '3.9' \\
    --hash=sha256:aa
pytest=={version("pytest")} ; python_full_version >= '3.9' \\
    --hash=sha256:bb
psycopg[binary]==0.3 \\
    --hash=sha256:cc
    # via trivet (pyproject.toml)
django-stubs=={version("django_stubs")}
"""
    asked = ["pytest>=9.2", "psycopg[binary,pool]>=3.3,<3.4", "Django_Stubs>=6.1", "rich>=15"]
    assert list(newest.newer(asked, lock)) == [f"psycopg {version('psycopg')}, locked 0.3"]
