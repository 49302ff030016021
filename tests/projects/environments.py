"""An environment for each project: what Trivet runs on, and what the project's classes import.

The versions of Trivet's lock hold. What a project asks for beyond that is installed as its own file
of requirements pins it and without what these ask for in turn, so that a bound of somebody's
metadata decides nothing: whether the classes work with this SQLAlchemy is what is to be seen.
"""

import subprocess
import sys
from pathlib import Path

from tests.projects.catalog import Project

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / ".venv-projects"


def make_environment(project: Project) -> Path:
    """Make the environment of a project, if what it is made from has changed. Returns its
    Python."""
    home = HOME / project.name
    stamp, python = home / ".made", home / "bin" / "python"
    parts = (ROOT / "requirements.lock", project.requirements)
    wanted = "".join(part.read_text(encoding="utf-8") for part in parts)
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True)
        for part in parts:
            _install(python, part)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def _install(python: Path, requirements: Path) -> None:
    """With uv, and where that gets nowhere, with pip, as the Makefile has it."""
    options = ["--no-deps", "--require-hashes", "--requirement", str(requirements)]
    uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--python"]
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*uv, str(python), *options], check=False).returncode != 0:
        subprocess.run([*pip, *options], check=True)
