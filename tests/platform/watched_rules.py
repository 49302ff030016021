"""Sessions whose rules write down what they are asked."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from sqlalchemy import Engine

from tests.platform.notes import Line, Note
from tests.platform.shelf import Shelf, Thing
from trivet import Conflict, Identity
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.origin import Origin
from trivet.rules import Change, rule
from trivet.rules.registry import RuleRegistry, collect_rules

BOSS = Identity(user_id=1, username="boss", kind="session")


def module_of(**names: Any) -> ModuleType:
    module = ModuleType("feature.rules")
    vars(module).update(names)
    return module


def registry_of(*functions: Callable[..., None]) -> RuleRegistry:
    return collect_rules([module_of(**{f"rule_{n}": each for n, each in enumerate(functions)})])


class Watched:
    """Sessions whose rules write down what they are asked, of any class."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.refuses = False
        asked = self.asked

        @rule(Thing)
        @rule(Note)
        @rule(Line)
        @rule(Shelf)
        def note(change: Change[Any]) -> None:
            changes = {key: tuple(values) for key, values in change.changes.items()}
            asked.append((change.kind, type(change.instance).__name__, changes))
            if self.refuses:
                raise Conflict("no", "No.", attributes=["title"])

        self.rules = registry_of(note)

    def unit(self, **options: Any) -> TrivetSession:
        return TrivetSession(
            bind=self.engine, capture=Capture(rules=self.rules), origin=Origin(BOSS), **options
        )
