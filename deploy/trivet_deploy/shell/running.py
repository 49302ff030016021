"""One line of a shell in its unit, and what is shown of an error in it."""

import sys
import traceback
from pathlib import Path
from types import CodeType
from typing import Any

from trivet.data.session import SealedError
from trivet_deploy.cli.console import say
from trivet_deploy.cli.failure import find_refusal
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


def print_traceback(unit: ShellUnit) -> None:
    """The present error: the lines of the shell and of the project that led to it, and what it
    says, in the house's own sentence if there is one. Then what to do in a shell, and what else was
    lost by it."""
    error = sys.exception()
    assert error is not None
    frames = [each for each in traceback.extract_tb(error.__traceback__) if _is_shown(each)]
    if frames:
        sys.stderr.write("Traceback (most recent call last):\n")
        sys.stderr.writelines(traceback.format_list(frames))
    if isinstance(error, SyntaxError):
        sys.stderr.writelines(traceback.format_exception_only(error))
    else:
        said = find_refusal(error) or "\n".join(str(error).splitlines()[:1])
        sys.stderr.write(f"{type(error).__name__}: {said}\n")
    if advice := _advice(error):
        say(advice)
    if unit.has_lost:
        say("What waited for a commit() before this line was taken back with it.")


def _advice(error: BaseException) -> str | None:
    """What is done in a shell instead of what people do elsewhere."""
    if isinstance(error, SealedError):
        return "In this shell it is commit() and rollback(), without a session in front."
    if isinstance(error, SyntaxError) and "'await' outside" in error.msg:
        return "There is no await in this shell, and none is needed: db.scalars(…) does it."
    return None


def _is_shown(frame: traceback.FrameSummary) -> bool:
    if frame.filename.startswith("<"):
        return frame.filename in _LINES or frame.filename.startswith("<ipython")
    path = Path(frame.filename)
    if not path.is_relative_to(Path.cwd()):
        return False
    return _OURS.isdisjoint(path.relative_to(Path.cwd()).parts)
