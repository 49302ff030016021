"""Rules of visibility for a test: the boss, who may do everything, does not see everything."""

from collections.abc import Callable
from typing import Any

from tests.admin.house import House
from tests.platform.watched_rules import module_of
from trivet import Identity
from trivet.rules.declaring import declared_in


def declare(house: House, *functions: Callable[[Identity], Any]) -> None:
    """Let the running application have these rules besides those of its features."""
    names = {f"rule_{number}": each for number, each in enumerate(functions)}
    for declared in declared_in(module_of(**names)):
        house.platform.capture.rules.add(declared)


def of_boss(actor: Identity) -> bool:
    """Whether a rule of a test is about this actor."""
    return actor.username == "boss"
