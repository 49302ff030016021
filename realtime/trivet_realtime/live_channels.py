"""Live channels: the channels of live classes, and what each subscriber sees of their rows.

Who may subscribe is the policy that the class is declared with (`trivet.events.live_classes`). Who
sees which rows is a condition for each identity. Without one, a subscription is like any other;
with one it is judged (`trivet_realtime.judging`).
"""

import logging
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session as Database

from trivet import Platform
from trivet.data.live import collect_live
from trivet.delivery.sights import Sight, Sights, read_sights
from trivet.events.live_classes import LiveFeed
from trivet.events.outbox import StoredPublication
from trivet.features import Feature, modules_of
from trivet.identity import Identity
from trivet.identity.authority import sight_of
from trivet.rules.registry import RuleRegistry
from trivet_realtime.channels import ChannelRules, collect_rules
from trivet_realtime.declared import Declared

logger = logging.getLogger(__name__)

EVERYTHING = Sight(before=True, after=True)
UNSEEN = Sight()
_SEEN_BY = "/"
"""What stands in an epoch before the sight of the one who is told it."""
_WHOLE = "*"
"""What stands behind it for one who sees every row."""


def channels_of(features: Iterable[Feature]) -> ChannelRules:
    """The rules of all channels of `features`, for who only wants to know which there are.

    Raises ConfigurationError like `trivet_realtime.channels.collect_rules`, and for a declaration
    of a live class that cannot be right.
    """
    features = tuple(features)
    modules = {feature.name: module for feature, module in modules_of(features, "realtime")}
    live = collect_live(modules_of(features, "events"), RuleRegistry())
    return with_live_channels(collect_rules(modules), live)


def with_live_channels(rules: ChannelRules, feeds: Iterable[LiveFeed]) -> ChannelRules:
    """`rules` with those of live channels before all others: a pattern of a feature that covers
    one does not open it."""
    namespaces = {name: list(declared) for name, declared in rules.namespaces.items()}
    for feed in feeds:
        namespaces.setdefault(feed.feature, []).insert(0, _declared(feed))
    return replace(rules, namespaces=namespaces)


def _declared(feed: LiveFeed) -> Declared:
    def whoever_its_policy_lets_in() -> bool:
        return True

    whoever_its_policy_lets_in.__qualname__ = feed.__name__
    expression = re.compile(re.escape(feed.channel))
    return Declared(feed.channel, expression, whoever_its_policy_lets_in, frozenset(), feed.policy)


def epoch_for(identity: Identity, epoch: str, *, is_judged: bool) -> str:
    """The epoch of a channel whose rows not everybody may see, as `identity` is told it; judged, if
    it does not see all of them.

    What was published since tells nobody which rows came into sight, or left it, by a change of
    what the reader may.
    """
    return f"{epoch}{_SEEN_BY}{sight_of(identity)}{'' if is_judged else _WHOLE}"


def own_epoch(told: str) -> str:
    """The epoch that was told as `told`."""
    return told.partition(_SEEN_BY)[0]


def is_seen_by(identity: Identity, told: str, *, is_judged: bool) -> bool:
    """Whether who was told this epoch saw the same rows as `identity`. One that names nobody is
    that of a page that has just read its rows."""
    own = own_epoch(told)
    return told in (own, epoch_for(identity, own, is_judged=is_judged))


class LiveChannel:
    """A live channel whose rows not everybody may see. By itself it asks the database nothing."""

    def __init__(self, platform: Platform, feed: LiveFeed) -> None:
        self.feed = feed
        self._rules = platform.capture.rules

    def is_judged(self, identity: Identity) -> bool:
        """Whether `identity` does not see every row. Raises what a rule raises."""
        return self.condition(identity) is not None

    def condition(self, identity: Identity) -> ColumnElement[bool] | None:
        """The condition for the rows that `identity` sees; None if that is all of them. Raises
        what a rule raises."""
        return self._rules.visible_condition(self.feed.model, identity)

    def show(
        self, db: Database, identity: Identity, publications: Sequence[StoredPublication]
    ) -> Sequence[StoredPublication]:
        """What `identity` sees of `publications`, which follow one another in either direction."""
        condition = self.condition(identity)
        if condition is None:
            return publications
        sights = self.see(db, publications, {identity: condition})[identity]
        shown = (sights.get(each.offset, UNSEEN).of(each) for each in publications)
        return [each for each in shown if each is not None]

    def see(
        self,
        db: Database,
        publications: Sequence[StoredPublication],
        conditions: Mapping[Identity, ColumnElement[bool]],
    ) -> Mapping[Identity, Sights]:
        """What each identity sees of `publications`, which follow one another."""
        groups: dict[Hashable, list[Identity]] = {}
        for identity, condition in conditions.items():
            groups.setdefault(sameness(condition), []).append(identity)
        asked = [conditions[identities[0]] for identities in groups.values()]
        first, last = sorted((publications[0].offset, publications[-1].offset))
        found = read_sights(db, self.feed, asked, first=first, last=last)
        return {
            identity: sights
            for identities, sights in zip(groups.values(), found, strict=True)
            for identity in identities
        }


def sameness(condition: ColumnElement[bool]) -> Hashable:
    """What conditions of the same SQL and the same values have in common; the object itself, where
    nobody can say."""
    key = condition._generate_cache_key()  # noqa: SLF001  # by which SQLAlchemy finds statements
    if key is None:
        return id(condition)
    values = tuple(_value(each.effective_value) for each in key.bindparams)
    try:
        hash(values)
    except TypeError:  # an object that nobody can compare
        return id(condition)
    return key.key, values


def _value(value: Any) -> tuple[type[Any], Any]:
    # With its class: 1 and True are equal, and not the same value.
    return type(value), tuple(map(_value, value)) if isinstance(value, list | tuple) else value
