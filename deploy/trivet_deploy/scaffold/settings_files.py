"""The files of a project that name its features: ``.env``, ``.env.example``, pytest's options."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from trivet.errors import ConfigurationError
from trivet_settings.env_file import say_where

ENV, EXAMPLE, PYPROJECT = ".env", ".env.example", "pyproject.toml"
VARIABLE = "TRIVET_FEATURES"

_LINE = re.compile(rf"^[ \t]*(?:export[ \t]+)?{VARIABLE}[ \t]*=.*$", re.MULTILINE)
_OPTION = re.compile(r"^trivet_features[ \t]*=[ \t]*\[[^\]]*\]", re.MULTILINE)


def require_project(folder: Path) -> None:
    """Raise ConfigurationError unless `folder` is that of a project, whose ``.env`` says which
    features there are."""
    if not (folder / ENV).is_file():
        nowhere = (
            f"There is no {ENV} in {folder}: go to the folder of your project, or make one: "
            "`trivet new project NAME`"
        )
        raise ConfigurationError("no-project", f"{say_where(ENV) or nowhere}.")
    if os.environ.get(VARIABLE):
        raise ConfigurationError(
            "variable",
            f"{VARIABLE} is set in this shell and wins over {ENV}: unset it, and say it there.",
        )


def with_features(folder: Path, features: Sequence[str]) -> dict[Path, str]:
    """The files of the project in `folder`, with `features` named in each that names them."""
    line = f"{VARIABLE}={','.join(features)}"
    option = f"trivet_features = {json.dumps(list(features))}"  # TOML writes them alike
    found = {}
    for name in (ENV, EXAMPLE):
        path = folder / name
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            changed, count = _LINE.subn(lambda _: line, text, count=1)
            gap = "" if not text or text.endswith("\n") else "\n"
            found[path] = changed if count else f"{text}{gap}{line}\n"
    path = folder / PYPROJECT
    if path.is_file():
        found[path] = _OPTION.sub(lambda _: option, path.read_text(encoding="utf-8"), count=1)
    return found
