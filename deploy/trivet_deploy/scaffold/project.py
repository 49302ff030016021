"""A new project: the files that it begins with, and nothing that it does not need."""

import secrets
from importlib.metadata import version
from importlib.resources import files as resources_of
from pathlib import Path
from string import Template

from trivet.errors import Invalid
from trivet_deploy.scaffold.names import require_project_name
from trivet_deploy.scaffold.writing import written

SECRET_BYTES = 48

TEMPLATES = {
    ".env": "env.txt",
    ".env.example": "env_example.txt",
    ".gitignore": "gitignore.txt",
    "README.md": "readme.txt",
    "pyproject.toml": "pyproject.txt",
    "tests/test_project.py": "test_project.txt",
}
"""The files of a project, and the templates of their texts, in which ``$name`` is filled in."""


def write_project(folder: Path, name: str) -> list[Path]:
    """Write the project `name` into a new folder of that name in `folder`, and return its files.

    Raises Invalid, and changes nothing, if the name does not serve or the folder holds something.
    """
    require_project_name(name)
    place = folder / name
    if place.is_file() or (place.is_dir() and any(place.iterdir())):
        raise Invalid(
            "folder",
            f"{place} is there already, and not empty. Take another name, or move it away.",
        )
    values = {
        "name": name,
        "secret": secrets.token_urlsafe(SECRET_BYTES),
        "title": name.replace("-", " ").replace("_", " ").capitalize(),
        "version": version("trivet"),
    }
    files = {place / path: _fill(template, values) for path, template in TEMPLATES.items()}
    with written(files):
        return list(files)


def _fill(template: str, values: dict[str, str]) -> str:
    text = resources_of(__package__).joinpath("templates", template).read_text(encoding="utf-8")
    return Template(text).substitute(values)
