"""How commands speak: results on stdout, everything else on stderr, and what exit codes mean."""

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PIPE_COLUMNS = 400
"""Wider than any line; a table takes only what it needs."""

# Without emoji and markup: rich would take the `:x:` of a channel's name for one, and the `[x]` of
# a label or a value for the other.
stdout = Console(emoji=False, markup=False)
stderr = Console(stderr=True, emoji=False)


class ExitCode(IntEnum):
    """The exit codes that a script can rely on."""

    OK = 0
    NO = 1  # the answer is no, or it failed
    USAGE = 2  # the command line was wrong; click's own number
    CONFIGURATION = 3  # settings or features are wrong: nothing was tried
    UNAVAILABLE = 4  # the database, or another service, cannot be used: there is no answer


EXIT_CODES = (
    "Exit codes: 0 done or yes; 1 failed or no; 2 wrong usage; 3 wrong configuration; "
    "4 the database, or another service, cannot be used. "
    "Results go to stdout, messages to stderr. With --json an error is a result too, unless the "
    'usage is wrong: {"error": {"code": …, "detail": …}}.'
)


@dataclass(slots=True)
class Options:
    """What holds whatever the command is.

    Attributes:
        debug: Show tracebacks.
        as_json: The command was asked for JSON.
    """

    debug: bool = False
    as_json: bool = False


def json_option(text: str) -> Any:
    """The option ``--json`` of a command, with `text` for its help. Where it is given, a failure
    is told in JSON as well."""
    return typer.Option("--json", help=text, callback=_note_json)


def _note_json(context: typer.Context, given: bool) -> bool:
    context.obj.as_json = given
    return given


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


def print_error(sentence: str) -> None:
    """The failure, in one sentence."""
    stderr.print(f"[bold red]✗[/] {escape(sentence)}", highlight=False, soft_wrap=True)
