"""The mistakes that keep an application from starting."""

from collections.abc import Iterable

from trivet.asgi.mount import MountedApp
from trivet.errors import ConfigurationError
from trivet_deploy.checks.permissions import CURE, find_unknown, known_permissions
from trivet_deploy.checks.system_checks import run_system_checks


def require_sound(mounts: Iterable[MountedApp]) -> None:
    """Raise ConfigurationError, naming all of it, for permissions that no model has and for
    errors of Django's own checks."""
    unknown = list(find_unknown(mounts, known_permissions()))
    if unknown:
        raise ConfigurationError("unknown-permission", f"{_listed(unknown)} {CURE}.")
    errors = [check.sentence for check in run_system_checks() if check.is_error]
    if errors:
        raise ConfigurationError("system-check", _listed(errors))


def _listed(sentences: list[str]) -> str:
    return " ".join(_whole(sentence) for sentence in sentences)


def _whole(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?", ")")) else f"{sentence}."
