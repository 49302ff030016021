"""The page of the reference on the settings: what `trivet check --settings` prints, by subject."""

from collections.abc import Iterator
from typing import cast

from trivet_settings import Settings
from trivet_settings.description import SettingDescription, describe

INTRODUCTION = """# Settings

Generated from the settings themselves; `trivet check --settings` prints the same with the values of
an installation.

A setting is a variable of the environment, or a line of the file `.env` in the working directory;
the variable wins. An empty one counts as not set. A list is separated by commas or is JSON. A name
that does not exist, and a value that is wrong, keep a process from starting, all of them named at
once."""


def render() -> str:
    """The page."""
    return "\n\n".join([INTRODUCTION, *_sections()]) + "\n"


def _sections() -> Iterator[str]:
    # The settings class names its sections from the last to the first.
    for section in reversed(Settings.__bases__):
        title, _, text = (section.__doc__ or "").strip().partition(": ")
        rows = map(_row, describe(cast("type[Settings]", section)))
        yield f"## {title.rstrip('.')}"
        if text:
            yield text[0].upper() + text[1:]
        yield "| variable | default | meaning |\n|---|---|---|\n" + "\n".join(rows)


def _row(setting: SettingDescription) -> str:
    default = "required" if setting.required else f"`{setting.default}`" * bool(setting.default)
    unit = f" *({setting.unit})*" if setting.unit else ""
    secret = " A secret." if setting.secret else ""
    return f"| `{setting.variable}` | {default} | {setting.text}{secret}{unit} |"
