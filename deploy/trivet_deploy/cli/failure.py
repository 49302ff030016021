"""What an error means for who typed a command: a sentence, what programs read, an exit code."""

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from trivet_deploy.cli.console import ExitCode, print_error, print_json, say, stderr

if TYPE_CHECKING:
    from trivet.errors import TrivetError
    from trivet_settings import SettingsError

_NO_TABLE = ("no such table", "no such column", "does not exist")
"""How SQLite and PostgreSQL say it; an exception class for it alone is only PostgreSQL's."""


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


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, for people and for programs.

    Attributes:
        exit_code: How the process ends.
        code: A stable slug.
        detail: One sentence.
        advice: What to do, where `detail` does not say it.
        data: What else programs may read.
    """

    exit_code: ExitCode
    code: str
    detail: str
    advice: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def report(error: Exception, *, as_json: bool = False) -> ExitCode:
    """Say what went wrong and what to do, without a traceback; returns the exit code for it."""
    failure = _failure_of(error)
    print_error(failure.detail)
    for fault in failure.data.get("faults", ()):
        stderr.print(f"  [bold]{fault['variable']}[/] {escape(fault['problem'])}.", highlight=False)
        stderr.print(f"    {escape(fault['cure'])}", highlight=False, soft_wrap=True)
    if failure.advice:
        say(failure.advice)
    if as_json:
        print_json({"error": {"code": failure.code, "detail": failure.detail, **failure.data}})
    return failure.exit_code


def _failure_of(error: Exception) -> Failure:
    # First, because what follows imports the libraries that may be hidden.
    if isinstance(error, ImportError) and (hidden := _hidden_by_folder(error)):
        return Failure(ExitCode.CONFIGURATION, "hidden-package", hidden)
    # Here, because a program that has no error to report does not wait for them.
    from trivet.errors import TrivetError
    from trivet_settings import SettingsError

    match error:
        case SettingsError():
            return _of_settings(error)
        case TrivetError():
            return Failure(_exit_code_of(error), error.code, error.detail, data=error.data)
        case _ if (refusal := find_refusal(error)) is not None:
            return Failure(ExitCode.NO, "refused", refusal)
        case _ if _is_database(error):
            return _of_database(error)
        case _:
            return Failure(
                ExitCode.NO,
                "bug",
                f"{type(error).__name__} {_place(error)}: {first_line(error)}",
                "This is a bug, here or in a feature. `trivet --debug …` shows the traceback.",
            )


def _exit_code_of(error: "TrivetError") -> ExitCode:
    from trivet.errors import ConfigurationError, Unavailable

    match error:
        case ConfigurationError():
            return ExitCode.CONFIGURATION
        case Unavailable():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.NO


def _of_settings(error: "SettingsError") -> Failure:
    count = len(error.faults)
    return Failure(
        ExitCode.CONFIGURATION,
        "settings",
        "The settings have a fault:" if count == 1 else f"The settings have {count} faults:",
        data={"faults": [asdict(fault) for fault in error.faults]},
    )


def _of_database(error: Exception) -> Failure:
    from trivet.data.outages import find_outage

    if find_outage(error) is not None:
        return Failure(ExitCode.UNAVAILABLE, "database-unavailable", first_line(error))
    lacks = any(words in str(error) for words in _NO_TABLE)
    advice = "The database lacks something that the models have: run `trivet migrate`."
    return Failure(ExitCode.NO, "database", first_line(error), advice if lacks else "")


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
