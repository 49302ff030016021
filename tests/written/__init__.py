"""What `trivet new` writes, kept here so that every check of the house reads it as it reads ours.

    python -m tests.written     write it anew, by the commands in `COMMANDS`

`project/` is a project with a feature of every type of field, one that refers to itself, and one
with a second model. The numbers of its revisions are made by chance, and have another one here.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

KEPT = Path(__file__).parent / "project"
NAME = "club"
NOBODYS = '"0123456789ab"'
_NUMBER = re.compile(r'"[0-9a-f]{12}"')
COMMANDS = (
    ("feature", "members", "name:str:80!", "level:enum:junior,senior", "joined_on:date?"),
    (
        *("feature", "bookings", "title:str", "note:text?", "seats:int", "serial:bigint:index"),
        *("price:decimal(8,2)", "ratio:float", "is_paid:bool", "day:date", "starts_at:datetime"),
        *("opens_at:time", "lasts:duration", "token:uuid:unique", "extra:json"),
        *("code:str:12:unique:if:is_paid=true", "guests:many(member)", "seen_by:many:user"),
        *(
            "state:enum(open,sold-out)",
            "member:ref(member)",
            "owner:ref(user)",
            "parent:ref(booking)?",
        ),
    ),
    ("model", "members", "visit", "at:datetime", "guest:ref:member", "host_id:ref:members.member?"),
)


def write(folder: Path, run: Callable[..., object]) -> Path:
    """Make the project in `folder`; `run` is called with the words behind ``trivet new``, and
    the folder in which they are typed."""
    run("project", NAME, cwd=folder)
    project = folder / NAME
    for command in COMMANDS:
        run(*command, cwd=project)
    return project


def texts(project: Path) -> dict[str, str]:
    """The Python of a project by its paths."""
    files = sorted(project.rglob("*.py"))
    return {
        str(path.relative_to(project)): _NUMBER.sub(NOBODYS, path.read_text()) for path in files
    }


def keep(project: Path) -> None:
    """Replace what is kept by the files of `project`."""
    shutil.rmtree(KEPT, ignore_errors=True)
    for name, text in texts(project).items():
        path = KEPT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
