"""How commands speak: results on stdout, everything else on stderr, and what exit codes mean."""

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from trivet_settings import SettingsError

PIPE_COLUMNS = 400
"""Wider than any line; a table takes only what it needs."""

# Without emoji and markup: rich would take the `:x:` of a channel's name for one, and the `[x]` of
# a label or a value for the other.
stdout = Console(emoji=False, markup=False)
stderr = Console(stderr=True, emoji=False)


_NO_TABLE = ("no such table", "no such column", "does not exist")
"""How SQLite and PostgreSQL say it; an exception class for it alone is only PostgreSQL's."""


class ExitCode(IntEnum):
    """The exit codes that a script can rely on."""

    OK = 0
    NO = 1  # the answer is no, or it failed
    USAGE = 2  # the command line was wrong; click's own number
    CONFIGURATION = 3  # settings or features are wrong: nothing was tried


EXIT_CODES = (
    "Exit codes: 0 done or yes; 1 failed or no; 2 wrong usage; 3 wrong configuration. "
    "Results go to stdout, messages to stderr."
)


def print_json(value: Any) -> None:
    """`value` as one JSON document on stdout, unstyled whatever the terminal is."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201  # rich would wrap and colour it


def print_table(table: Table) -> None:
    """A table on stdout; in a pipe nothing of it is folded, so that `grep` finds it."""
    pipe = Console(width=PIPE_COLUMNS, emoji=False, markup=False)
    (stdout if stdout.is_terminal else pipe).print(table)


def say(sentence: str) -> None:
    """A message for the person who waits, out of the way of a result."""
    stderr.print(escape(sentence), highlight=False, soft_wrap=True)


def warn(sentence: str) -> None:
    stderr.print(f"[yellow]![/] {escape(sentence)}", highlight=False, soft_wrap=True)


@contextmanager
def reporting() -> Iterator[None]:
    """End the process with a sentence, and the exit code for it, for an error of the block that
    has one; any other is raised."""
    from trivet.errors import TrivetError
    from trivet_settings import SettingsError

    try:
        yield
    except (TrivetError, SettingsError) as error:
        sys.exit(report(error))


def report(error: Exception) -> ExitCode:
    """Say what went wrong and what to do, without a traceback; returns the exit code for it."""
    # First, because what follows imports the libraries that may be hidden.
    if isinstance(error, ImportError) and (hidden := _hidden_by_folder(error)):
        print_error(hidden)
        return ExitCode.CONFIGURATION
    # Here, because a program that has no error to report does not wait for them.
    from trivet.errors import ConfigurationError, TrivetError
    from trivet_settings import SettingsError

    match error:
        case SettingsError():
            _report_settings(error)
            return ExitCode.CONFIGURATION
        case ConfigurationError():
            print_error(error.detail)
            return ExitCode.CONFIGURATION
        case TrivetError():
            print_error(error.detail)
            return ExitCode.NO
        case _ if (refusal := find_refusal(error)) is not None:
            print_error(refusal)
            return ExitCode.NO
        case _ if _is_database(error):
            print_error(first_line(error))
            if any(words in str(error) for words in _NO_TABLE):
                say("The database lacks something that the models have: run `trivet migrate`.")
            return ExitCode.NO
        case _:
            print_error(f"{type(error).__name__} {_place(error)}: {first_line(error)}")
            say("This is a bug, here or in a feature. `trivet --debug …` shows the traceback.")
            return ExitCode.NO


def _report_settings(error: "SettingsError") -> None:
    count = len(error.faults)
    print_error(
        "The settings have a fault:" if count == 1 else f"The settings have {count} faults:"
    )
    for fault in error.faults:
        stderr.print(f"  [bold]{fault.variable}[/] {escape(fault.problem)}.", highlight=False)
        stderr.print(f"    {escape(fault.cure)}", highlight=False, soft_wrap=True)


def print_error(sentence: str) -> None:
    """The failure, in one sentence."""
    stderr.print(f"[bold red]✗[/] {escape(sentence)}", highlight=False, soft_wrap=True)


def first_line(error: Exception) -> str:
    """The words of a driver, without the statement and the advice that wrappers add."""
    text = str(getattr(error, "orig", None) or error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def find_refusal(error: BaseException) -> str | None:
    """The refusal of the database or a validator, in the terms of the mapped classes."""
    if "sqlalchemy" not in sys.modules:  # nothing of a database can have failed
        return None
    from trivet.data import validators
    from trivet.data.violations import find_violation

    if not isinstance(error, Exception):
        return None
    if (refusal := validators.find_refusal(error)) is not None:
        return f"{refusal.mapped.__name__}.{refusal.attribute}: {refusal.sentence}"
    violation = find_violation(error)
    return None if violation is None else violation.error().detail


def _is_database(error: Exception) -> bool:
    # By name: this must not import an ORM to say that a feature's import failed.
    packages = {ancestor.__module__.partition(".")[0] for ancestor in type(error).__mro__}
    is_django = any(a.__module__ == "django.db.utils" for a in type(error).__mro__)
    return is_django or bool(packages & {"sqlalchemy", "psycopg", "sqlite3"})


def _hidden_by_folder(error: ImportError) -> str:
    """The cure for a package of the working directory that hides an installed one."""
    name = (error.name or "").partition(".")[0]
    here = Path.cwd() / name
    if not name or not (here.is_dir() or here.with_suffix(".py").is_file()):
        return ""
    spec = find_spec(name)
    is_hidden = spec is not None and str(Path.cwd()) in str(spec.origin or here)
    if not is_hidden or name not in _installed_packages():
        return ""
    return f"{here} hides the installed package {name}: rename it, or work in another directory."


def _installed_packages() -> set[str]:
    from importlib.metadata import packages_distributions

    return set(packages_distributions())


def _place(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
