"""The lines of a shell: of somebody at a terminal, in IPython if it is installed, or from a pipe.

A pipe is a script: the first error ends it, and what it has not committed is taken back.
"""

import ast
import code
import sys
from importlib.util import find_spec
from types import CodeType
from typing import Any

from trivet_deploy.shell.running import SCRIPT, print_traceback, run_line
from trivet_deploy.shell.unit import ShellUnit

Namespace = dict[str, Any]


def talk(unit: ShellUnit, names: Namespace, banner: str) -> None:
    """Read lines from the terminal until somebody leaves."""
    if find_spec("IPython") is not None:
        from trivet_deploy.shell.ipython import talk_in_ipython

        talk_in_ipython(unit, names, banner)
        return
    _Console(unit, names).interact(banner, exitmsg="")


def run_script(unit: ShellUnit, names: Namespace, text: str) -> bool:
    """Run a script, statement by statement; whether it came to its end."""
    try:
        for statement in ast.parse(text, SCRIPT).body:
            module = ast.Module([statement], [])
            run_line(unit, compile(module, SCRIPT, "exec"), names)
    except SystemExit:
        raise
    except Exception:  # noqa: BLE001  # a script may fail by anything, and its author is shown it
        print_traceback(unit)
        return False
    return True


class _Console(code.InteractiveConsole):
    """Python's own, whose lines run in a unit."""

    def __init__(self, unit: ShellUnit, names: Namespace) -> None:
        super().__init__(names)
        self._unit = unit
        self._names = names

    def runcode(self, compiled: CodeType) -> None:
        try:
            run_line(self._unit, compiled, self._names)
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001  # Python's console shows every error, an interrupt too
            print_traceback(self._unit)

    def showsyntaxerror(self, *_given: Any, **_options: Any) -> None:
        print_traceback(self._unit)

    def raw_input(self, prompt: str = "") -> str:
        waiting = "*" if self._unit.changed and prompt == sys.ps1 else ""
        return super().raw_input(waiting + prompt)
