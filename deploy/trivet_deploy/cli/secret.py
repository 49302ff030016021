"""`trivet secret`: the secret key of an installation, made once and kept in `.env`."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from trivet_deploy.cli.console import ExitCode, print_error, say, stdout, warn

VARIABLE = "TRIVET_SECRET_KEY"
SECRET_BYTES = 48


def secret(
    show: Annotated[
        bool, typer.Option("--print", help="Print a new secret, and write nothing.")
    ] = False,
    file: Annotated[
        Path, typer.Option(dir_okay=False, help="The file of settings to write it into.")
    ] = Path(".env"),
) -> None:
    """Write a secret key into `.env`, unless there is one.

    Trivet reads `.env` in the working directory. Another secret would end every session, and the
    audit trail would no longer hold: so one that is there is never replaced.
    """
    if show:
        stdout.print(secrets.token_urlsafe(SECRET_BYTES), highlight=False, soft_wrap=True)
        return
    _require_no_project(file)
    if _is_in(file):
        say(f"{file} has a {VARIABLE} already. Nothing was changed.")
    else:
        _write(file)
        say(f"{file} has a new {VARIABLE}. Keep the file, and keep it out of version control.")
    if VARIABLE in os.environ:
        warn(f"{VARIABLE} is set in this shell too, and wins over {file}: unset {VARIABLE}.")


def _require_no_project(file: Path) -> None:
    """End the process where a secret would begin a second project inside of one, or a file without
    the settings that this one asks for."""
    from trivet_settings.env_file import find_above, find_example

    if (example := find_example(file)) is not None:
        print_error(f"{example} has the settings of this project: cp {example} {file}, then again.")
        raise typer.Exit(ExitCode.NO)
    if (above := find_above(file)) is not None:
        print_error(
            f"This folder is in the project {above.parent}, which has its {file}: go there. For "
            f"another project in here, say --file {Path.cwd() / file}."
        )
        raise typer.Exit(ExitCode.NO)


def _is_in(file: Path) -> bool:
    if not file.exists():
        return False
    from dotenv import dotenv_values

    return bool(dotenv_values(file).get(VARIABLE))


def _write(file: Path) -> None:
    # Private before there is anything in it.
    file.touch(mode=0o600)
    file.chmod(0o600)
    before = file.read_text(encoding="utf-8")
    line = f"{VARIABLE}={secrets.token_urlsafe(SECRET_BYTES)}\n"
    gap = "\n" if before and not before.endswith("\n") else ""
    file.write_text(f"{before}{gap}{line}", encoding="utf-8")
