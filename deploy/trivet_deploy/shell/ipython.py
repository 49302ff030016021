"""The lines of a shell in IPython, where it is installed."""

import sys
from importlib import import_module
from types import CodeType
from typing import Any

from trivet_deploy.shell.running import print_traceback, run_line
from trivet_deploy.shell.unit import ShellUnit


def talk_in_ipython(unit: ShellUnit, names: dict[str, Any], banner: str) -> None:
    """Read lines in IPython until somebody leaves."""
    embedded: Any = import_module("IPython.terminal.embed")  # which is not one of our libraries

    class Shell(embedded.InteractiveShellEmbed):  # type: ignore[misc]  # as above
        async def run_code(self, code_obj: CodeType, result: Any = None, **_options: Any) -> bool:
            """Run a line as IPython does, but in the unit; whether it failed."""
            try:
                run_line(unit, code_obj, self.user_ns)
            except BaseException:  # noqa: BLE001  # IPython shows every error
                if result is not None:
                    result.error_in_exec = sys.exception()
                print_traceback(unit)
                return True
            return False

    Shell(banner1=f"{banner}\n", confirm_exit=False, enable_tip=False)(local_ns=names)
