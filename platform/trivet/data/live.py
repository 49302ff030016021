"""The live classes of all features, each with what the rules of visibility say about it."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.data.row_json import writers_of
from trivet.events.feeds import LIVE_MARK
from trivet.events.live_classes import Live, LiveFeed, bad_declarations, faults_of
from trivet.features import Feature
from trivet.rules.registry import RuleRegistry


def collect_live(
    modules: Iterable[tuple[Feature, ModuleType]], rules: RuleRegistry
) -> list[LiveFeed]:
    """The feeds of the live classes that the ``events.py`` of features declare.

    Raises:
        ConfigurationError: A declaration cannot be right, or two are of one channel (all are
            reported at once).
    """
    found: dict[str, LiveFeed] = {}
    faults: list[str] = []
    for feature, module in modules:
        for declared in vars(module).get(LIVE_MARK, ()):
            wrong = [*faults_of(declared)] or [*_rules_against(declared, rules)]
            faults += wrong
            if wrong:
                continue
            each = live_feed(feature.name, declared, rules)
            if each.channel in found:
                faults.append(
                    f"{each.__name__}: the channel {each.channel} is that of "
                    f"{found[each.channel].__name__} already: give one of them channel='…'."
                )
            found[each.channel] = each
    if faults:
        raise bad_declarations(faults)
    return list(found.values())


def live_feed(feature: str, declared: Live, rules: RuleRegistry) -> LiveFeed:
    """The feed of a live class of `feature`. What `rules` may hide from anybody is not shown."""
    model = declared.model
    mapper: Mapper[Any] = inspect(model)
    hidden = rules.guarded_attributes(model)
    writers = {key: each for key, each in writers_of(mapper).items() if key not in hidden}
    return LiveFeed(feature, declared, writers=writers, is_judged=rules.restricts(model))


def _rules_against(declared: Live, rules: RuleRegistry) -> Iterable[str]:
    # The row that is judged is one of the class: what its subclasses have beside it is not kept.
    name = declared.model.__name__
    for below in rules.restricted_below(declared.model):
        yield (
            f"live({name}): its subclass {below.__name__} has row rules of its own, which an event "
            f"of {name} cannot be asked about. Move them to {name}, or write live({below.__name__})"
            " and a feed for the others."
        )
