"""`make newest`: every test on the newest versions that there are, without lock or upper bounds.

A bound in pyproject.toml keeps a stranger's installation on what was proved; this says when a
bound can move, and what breaks if it does. It runs in an environment of its own (`.venv-newest`)
and changes neither lock. Arguments are handed to `python -m tests`.

At its start only the standard library is there, because the environment is still empty.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PIP = (sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", "--no-input")
"""Twice quiet, as in the Makefile: the warnings of a machine's own configuration are not ours."""


def main(arguments: list[str]) -> int:
    """Install, say what is newer than the lock, and run the tests.

    Returns:
        The exit code of the tests.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = list(requirements(project))
    subprocess.run([*PIP, "install", "--upgrade", *map(unbounded, asked)], check=True)
    editable = ("install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    subprocess.run([*PIP, *editable], check=True)
    lock = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8")
    for line in newer(asked, lock):
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return subprocess.run(
        [sys.executable, "-m", "tests", *arguments], cwd=ROOT, check=False
    ).returncode


def requirements(project: dict[str, Any]) -> Iterator[str]:
    """What the product and its tests ask for, groups within groups included."""
    yield from project["project"]["dependencies"]
    groups = project["dependency-groups"]

    def of(name: str) -> Iterator[str]:
        for each in groups[name]:
            if isinstance(each, str):
                yield each
            else:
                yield from of(each["include-group"])

    yield from of("dev")


def unbounded(requirement: str) -> str:
    """`requirement` without its upper bound: ``django>=5.2,<6.2`` becomes ``django>=5.2``."""
    return re.sub(r",\s*<=?\s*[\w.]+", "", requirement)


def newer(asked: list[str], lock: str) -> Iterator[str]:
    """A line for each library whose installed version is not the one that `lock` has for this
    Python: the lock may hold several, each with the marker of its Pythons."""
    from packaging.requirements import Requirement  # installed by now, with pytest
    from packaging.utils import canonicalize_name

    pinned = {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in map(Requirement, re.findall(r"^[\w.-]+.*?(?=\s*\\?$)", lock, re.MULTILINE))
        if each.marker is None or each.marker.evaluate()
    }
    for name in map(canonicalize_name, (Requirement(each).name for each in asked)):
        if name in pinned and version(name) != pinned[name]:
            yield f"{name} {version(name)}, locked {pinned[name]}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
