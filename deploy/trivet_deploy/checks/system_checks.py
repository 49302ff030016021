"""Django's own checks of what it was given: models, admin classes, URLs."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SystemCheck:
    """One message of Django's, in a sentence."""

    sentence: str
    is_error: bool


def run_system_checks() -> list[SystemCheck]:
    """Django's errors and warnings; none of these checks asks the database."""
    from django.core import checks

    # No database is named: by default Django 6.1 takes all, and some checks of fields ask them.
    messages: list[Any] = checks.run_checks(databases=[])
    return [
        SystemCheck(_sentence(message), message.is_serious())
        for message in messages
        if not message.is_silenced() and message.level >= checks.WARNING
    ]


def _sentence(message: Any) -> str:
    said = " ".join(str(message.msg).split())
    hint = f" {message.hint}" if message.hint else ""
    return f"{_subject(message.obj)}{said} ({message.id}){hint}"


def _subject(thing: Any) -> str:
    if thing is None:
        return ""
    if isinstance(thing, type):
        return f"{thing.__module__}.{thing.__qualname__}: "
    return f"{thing}: "
