"""The laws of the house that no tool enforces: the layout, silent imports, packaging, locks."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from grimp import build_graph
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "trivet": ROOT / "platform" / "trivet",
    "trivet_admin": ROOT / "admin" / "trivet_admin",
    "trivet_api": ROOT / "api" / "trivet_api",
    "trivet_deploy": ROOT / "deploy" / "trivet_deploy",
    "trivet_realtime": ROOT / "realtime" / "trivet_realtime",
    "trivet_settings": ROOT / "settings" / "trivet_settings",
}
NOT_OURS = {".git", "node_modules", "var", "__pycache__", "dist"}


def _files(directory: Path) -> Iterator[Path]:
    """What a directory holds of ours: no environment, no cache."""
    for path in sorted(directory.iterdir()):
        if path.name in NOT_OURS or path.name.startswith((".venv", ".coverage")):
            continue
        if path.is_dir() and not path.name.endswith("_cache"):
            yield from _files(path)
        elif path.is_file():
            yield path


def _run(*arguments: str, **variables: str) -> str:
    command = [sys.executable, *arguments]
    env = {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestTheLayout:
    def test_a_source_root_is_no_package_and_holds_one(self) -> None:
        for name, package in PACKAGES.items():
            root = package.parent
            assert not (root / "__init__.py").exists(), f"{root.name} would be a package"
            holds = {path.name for path in root.iterdir()} - {"__pycache__"}
            assert holds == {name}
            assert (package / "py.typed").exists()

    def test_the_platform_of_the_standard_library_is_not_shadowed(self) -> None:
        # `-c` puts the working directory, here the checkout, before everything else.
        assert _run("-c", "import platform; print(platform.python_version())").strip()

    def test_middleware_is_pure_asgi(self) -> None:
        inherited = "Base" + "HTTPMiddleware"
        guilty = [
            str(path)
            for package in PACKAGES.values()
            for path in package.rglob("*.py")
            if inherited in path.read_text(encoding="utf-8")
        ]
        assert guilty == []

    def test_no_module_of_tests_takes_from_another(self) -> None:
        """What two of them need stands in a module without tests, so that either can be changed, or
        run alone, without the other."""
        taking = re.compile(r"^ *(?:from|import) tests[\w.]*\.test_\w+", re.MULTILINE)
        found = {
            str(path.relative_to(ROOT)): taking.findall(path.read_text(encoding="utf-8"))
            for path in _files(ROOT / "tests")
            if path.suffix == ".py"
        }
        assert {file: lines for file, lines in found.items() if lines} == {}

    def test_the_listeners_of_sqlalchemy_stand_in_one_list(self) -> None:
        listening = re.compile(r"\blistens_for\b|\bevent\.listen\b|import listen\b")
        found = [
            f"{name}/{path.relative_to(package)}"
            for name, package in PACKAGES.items()
            for path in package.rglob("*.py")
            if listening.search(path.read_text())
        ]
        # A shell watches its own session besides, to know whether something waits for a commit; and
        # a page of the admin narrows one of its own, which only reads, to what its visitor sees.
        assert found == [
            "trivet/data/listeners.py",
            "trivet_admin/mirror/seen_values.py",
            "trivet_deploy/shell/unit.py",
        ]


class TestImports:
    def test_no_file_of_the_platform_imports_itself_in_a_circle(self) -> None:
        """Imports for types alone count: who must know both files to read one, reads a circle."""
        graph = build_graph("trivet")
        imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
        TopologicalSorter(imports).prepare()  # raises CycleError, with the circle

    """Nothing happens at import: no engine, no app, no environment read, no `django.setup()`."""

    @pytest.mark.parametrize("package", [*PACKAGES, "departures"])
    def test_importing_every_module_does_nothing(self, package: str) -> None:
        done = json.loads(_run("-m", "tests.imports", package))
        assert done["modules"] > 0
        assert done["deeds"] == []

    @pytest.mark.parametrize(
        ("code", "deed"),
        [
            ("import os; os.environ.get('HOME')", "read the environment in trivet_guilty.module"),
            ("import os; os.environ['PATH']", "read the environment in trivet_guilty.module"),
            ("from sqlalchemy import *; create_engine('sqlite://')", "made an engine"),
            ("import sqlite3; sqlite3.connect(':memory:')", "opened a SQLite database"),
            ("from django.conf import settings; settings.configure()", "Django is configured"),
            ("import threading as t; t.Thread(target=t.Event().wait, daemon=True).start()", "runs"),
        ],
    )
    def test_what_a_module_does_is_seen(self, code: str, deed: str, tmp_path: Path) -> None:
        (tmp_path / "trivet_guilty").mkdir()
        (tmp_path / "trivet_guilty" / "__init__.py").touch()
        (tmp_path / "trivet_guilty" / "module.py").write_text(code)
        path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
        done = json.loads(_run("-m", "tests.imports", "trivet_guilty", **path))
        assert deed in " ".join(done["deeds"])


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the wheel and the source archive of this checkout."""
    directory = tmp_path_factory.mktemp("dist")
    _run("-m", "hatchling", "build", "-d", str(directory))
    return directory


class TestPackaging:
    def test_the_wheel_holds_the_six_packages_whole_and_nothing_else(self, archives: Path) -> None:
        (path,) = archives.glob("*.whl")
        with zipfile.ZipFile(path) as wheel:
            names = {name for name in wheel.namelist() if ".dist-info/" not in name}
            metadata = {name.partition(".dist-info/")[2] for name in wheel.namelist()} - {""}
        expected = {
            str(file.relative_to(package.parent))
            for package in PACKAGES.values()
            for file in _files(package)
        }
        assert names == expected
        assert {"licenses/LICENSE", "entry_points.txt", "METADATA"} <= metadata

    def test_the_source_archive_holds_the_sources_and_nothing_of_a_machine(
        self, archives: Path
    ) -> None:
        (path,) = archives.glob("*.tar.gz")
        with tarfile.open(path) as archive:
            tops = {name.split("/")[1] for name in archive.getnames()}
        roots = {package.parent.name for package in PACKAGES.values()}
        texts = {"README.md", "CHANGELOG.md", "LICENSE"}
        assert tops == roots | texts | {"pyproject.toml", "PKG-INFO", ".gitignore"}


class TestLocks:
    PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    def _locked(self, name: str) -> dict[str, str]:
        """Name to everything that the lock says of it."""
        entries = re.split(
            r"^(?=[a-z0-9])", (ROOT / name).read_text(encoding="utf-8"), flags=re.MULTILINE
        )
        lines = (re.sub(r"\n +#.*", "", entry).strip() for entry in entries if entry)
        locked: dict[str, str] = {}
        for line in lines:
            key = canonicalize_name(Requirement(line.split("\\")[0]).name)
            locked[key] = locked.get(key, "") + line
        return locked

    @pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
    def test_a_lock_pins_one_version_and_hashes_it(self, name: str) -> None:
        for key, entry in self._locked(name).items():
            assert re.match(r"[\w.-]+(\[[\w,-]+\])?==", entry), key
            assert "--hash=sha256:" in entry, key

    def test_what_is_tested_is_what_is_run(self) -> None:
        runtime, dev = self._locked("requirements.lock"), self._locked("requirements-dev.lock")
        assert {key: dev.get(key) for key in runtime} == runtime

    def test_the_locks_hold_all_that_the_project_asks_for(self) -> None:
        groups = self.PYPROJECT["dependency-groups"]
        runtime = [*self.PYPROJECT["project"]["dependencies"], *groups["build"]]
        dev = [*runtime, *(item for item in groups["dev"] if isinstance(item, str))]
        for asked, name in ((runtime, "requirements.lock"), (dev, "requirements-dev.lock")):
            locked = self._locked(name)
            for line in asked:
                requirement = Requirement(line)
                entry = locked.get(canonicalize_name(requirement.name), "")
                version = re.search(r"==([\w.]+)", entry)
                assert version, f"{name} lacks {line}: run `make lock`"
                assert requirement.specifier.contains(version[1]), f"{line}: run `make lock`"

    def test_no_file_names_the_host_of_a_registry(self) -> None:
        # In pieces, or this file would be the first to do so.
        hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
        pattern = re.compile("|".join(map(re.escape, hosts)).encode())
        assert [str(path) for path in _files(ROOT) if pattern.search(path.read_bytes())] == []


def test_the_example_is_found_from_the_checkout() -> None:
    spec = importlib.util.find_spec("departures")
    assert spec is not None
    assert spec.origin == str(ROOT / "examples" / "departures" / "__init__.py")
