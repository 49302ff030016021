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
    prompts: Any = import_module("IPython.terminal.prompts")

    class Prompts(prompts.Prompts):  # type: ignore[misc]  # as above
        def in_prompt_tokens(self) -> list[tuple[Any, str]]:
            waiting = [(prompts.Token.Prompt, "*")] if unit.changed else []
            return [*waiting, *super().in_prompt_tokens()]

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

        def showsyntaxerror(self, *_given: Any, **_options: Any) -> None:
            print_traceback(unit)

    shell = Shell(banner1=f"{banner}\n", confirm_exit=False, enable_tip=False)
    shell.prompts = Prompts(shell)
    shell.autoawait = False  # a coroutine would be made, and run by nobody
    shell(local_ns=names)
