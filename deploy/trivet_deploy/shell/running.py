"""One line of a shell in its unit, and what is shown of an error in it."""

import sys
import traceback
from pathlib import Path
from types import CodeType
from typing import Any

from trivet_deploy.cli.console import find_refusal
from trivet_deploy.shell.unit import ShellUnit

SCRIPT = "<stdin>"
"""The file that the lines of a script are said to be in."""
_LINES = (SCRIPT, "<console>")
_OURS = frozenset({"trivet", "trivet_deploy", "site-packages"})
"""Folders whose lines say nothing to the author of a shell's."""


def run_line(unit: ShellUnit, compiled: CodeType, names: dict[str, Any]) -> None:
    """Run compiled code in the unit, where `db` is its session. Raises what the code raises."""

    def line(db: Any, _actor: Any) -> None:
        names["db"] = db
        exec(compiled, names)  # noqa: S102  # that is what a shell is for

    unit.run(line)


def print_traceback() -> None:
    """The present error: the lines of the shell and of the project that led to it, and what it
    says, in the house's own sentence if there is one."""
    error = sys.exception()
    assert error is not None
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_shown(each)]
    if frames:
        sys.stderr.write("Traceback (most recent call last):\n")
        sys.stderr.writelines(traceback.format_list(frames))
    said = find_refusal(error) or "\n".join(str(error).splitlines()[:1])
    sys.stderr.write(f"{type(error).__name__}: {said}\n")


def _is_shown(frame: traceback.FrameSummary) -> bool:
    if frame.filename.startswith("<"):
        return frame.filename in _LINES or frame.filename.startswith("<ipython")
    path = Path(frame.filename)
    if not path.is_relative_to(Path.cwd()):
        return False
    return _OURS.isdisjoint(path.relative_to(Path.cwd()).parts)
