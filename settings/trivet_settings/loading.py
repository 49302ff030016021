"""The environment and `.env` are read here, and all their faults are reported at once."""

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trivet_settings.description import PREFIX, about, text_of, variable_of
from trivet_settings.env_file import say_where
from trivet_settings.faults import SettingFault, SettingsError
from trivet_settings.model import Settings

_SENTENCES = {
    "missing": "is not set and has no default",
    "string_too_short": "is too short",
    "too_short": "is too short",
}


def load_settings(*, env_file: str | Path | None = ".env", **overrides: Any) -> Settings:
    """Read the settings of this process.

    An override comes before the environment, the environment before the file, and the file before
    the default.

    Args:
        env_file: A file of variables, relative to the working directory. It may be absent; None
            reads no file.
        **overrides: Values of settings by their names (``session_hours=1``).

    Returns:
        The settings, frozen.

    Raises:
        SettingsError: A value does not fit, a required one is missing, or a variable begins with
            ``TRIVET_`` and names no setting. All faults are in it.
    """
    faults = list(_unknown_variables(env_file, overrides))
    try:
        settings = Settings(**{"_env_file": env_file, **overrides})
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=True, include_input=False)
        faults.extend(_fault(detail, env_file) for detail in details)
        raise SettingsError(_one_each(faults)) from None  # the cause may quote values
    if faults:
        raise SettingsError(faults)
    return settings


def _unknown_variables(
    env_file: str | Path | None, overrides: Iterable[str]
) -> Iterator[SettingFault]:
    known = [variable_of(name) for name in Settings.model_fields]
    given = {name.upper() for name in os.environ}
    given.update(variable_of(name) for name in overrides)
    if env_file is not None:
        given.update(name.upper() for name in dotenv_values(env_file))
    for variable in sorted(given):
        if variable.startswith(PREFIX) and variable not in known:
            yield SettingFault(variable, "is no setting", _did_you_mean(variable, known))


def _did_you_mean(variable: str, known: list[str]) -> str:
    # Compared without the prefix: it would make all names look alike.
    names = {name.removeprefix(PREFIX): name for name in known}
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
    if close:
        return f"Did you mean {names[close[0]]}?"
    return "Remove it, or see `trivet check --settings` for the names that exist"


def _fault(detail: ErrorDetails, env_file: str | Path | None) -> SettingFault:
    name = str(detail["loc"][0])
    variable = variable_of(name)
    cure = about(Settings, name).cure or _example(name, variable)
    if detail["type"] == "missing" and env_file is not None:
        cure = say_where(env_file) or cure
    return SettingFault(variable, _problem(detail), cure)


def _problem(detail: ErrorDetails) -> str:
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    sentence = _SENTENCES.get(detail["type"])
    if sentence is None:
        return detail["msg"].replace("Input should be", "should be", 1)
    minimum = detail.get("ctx", {}).get("min_length")
    return f"{sentence} (at least {minimum} characters)" if minimum else sentence


def _example(name: str, variable: str) -> str:
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    unit = about(Settings, name).unit
    return f"Write it like {variable}={text_of(default)}" + (f" ({unit})" if unit else "")


def _one_each(faults: list[SettingFault]) -> list[SettingFault]:
    # A list with three bad items has three errors in pydantic, and one cure for the reader.
    return list({fault.variable: fault for fault in reversed(faults)}.values())[::-1]
