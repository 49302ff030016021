"""The names that a shell has from the beginning, and what it says of them."""

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Mapper

from trivet import User
from trivet.features import Feature
from trivet.models.mapped import find_naming_feature, our_mappers
from trivet_deploy.shell.unit import ShellUnit

SHOWN = 12
"""How many models of a feature the banner names."""


def names_of(unit: ShellUnit, features: Iterable[Feature]) -> dict[str, Any]:
    """The models, the actor, and what one does with them. Of two models with one name each is
    called by its feature too: ``books_Author``."""

    def run(service: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """Call a service with this unit's session and actor before its own arguments."""
        return service(unit.db, unit.actor, *args, **options)

    names: dict[str, Any] = {"__name__": "__main__"}  # as a script expects, and IPython's %run
    for feature, mapped in _models_of(features):
        name = mapped.__name__
        names[name if name not in names else f"{feature}_{name}"] = mapped
    names |= {"User": User, "select": select, "func": func, "actor": unit.actor, "run": run}
    names |= {"commit": unit.commit, "rollback": unit.rollback}
    return names


def banner_of(unit: ShellUnit, features: Iterable[Feature], database: str) -> str:
    """What the shell says first."""
    by_feature: dict[str, list[str]] = {}
    for feature, mapped in _models_of(features):
        by_feature.setdefault(feature, []).append(mapped.__name__)
    lines = [
        f"Trivet on {database}, as {unit.actor.username}.",
        *(f"  {feature}: {_shown(models)}" for feature, models in by_feature.items()),
        "  User, select, func; db is the session, actor who you are, run(service, …) a call of it.",
        "Nothing is kept until commit(). rollback() takes back what waits (the prompt has a *).",
    ]
    return "\n".join(lines)


def _shown(models: list[str]) -> str:
    rest = len(models) - SHOWN
    return ", ".join(models[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _models_of(features: Iterable[Feature]) -> list[tuple[str, type[Any]]]:
    order = [each.name for each in features]

    def place(mapper: Mapper[Any]) -> tuple[int, str]:
        return order.index(str(find_naming_feature(mapper.class_))), mapper.class_.__name__

    found = [each for each in our_mappers() if find_naming_feature(each.class_) in order]
    found.sort(key=place)
    return [(str(find_naming_feature(each.class_)), each.class_) for each in found]
