"""Projects that `trivet new` makes."""

import os
import subprocess
from pathlib import Path

from tests.services.databases import run_trivet

ENV = {name: value for name, value in os.environ.items() if not name.startswith("TRIVET_")}


def new(*arguments: str, cwd: Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
    done = run_trivet("new", *arguments, env={**ENV, "COLUMNS": "200"}, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


def contents(folder: Path) -> dict[str, str]:
    """Every file below `folder`, but what Python makes of one."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)): path.read_text() for path in files}
