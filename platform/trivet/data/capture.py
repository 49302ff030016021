"""The results of captured changes: publications by the feeds, entries of the audit trail.

They are composed once in a process, and every door gets the same object: so a change has the same
results whatever door it came through.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.orm import Mapper

from trivet.audit.audited_tables import WHICH_IS_AUDITED, audited_tables, follow_audited
from trivet.audit.capture import is_audited, table_of
from trivet.audit.entry import Entry
from trivet.audit.trail import FIND_FREE_HEAD, AuditTrail
from trivet.capture.tables import CapturedTables
from trivet.data.live import collect_live
from trivet.events.appending import (
    NewPublication,
    append_on,
    appending,
    appending_and_finding,
    appending_with,
)
from trivet.events.feeds import FeedRegistry, Publication, collect_feeds, encode_event
from trivet.events.gone_rows import GoneRow, with_gone_rows
from trivet.events.live_classes import LiveFeed
from trivet.events.outbox import Position
from trivet.features import Feature, modules_of
from trivet.fixed_statements import Steps, take
from trivet.origin import Origin
from trivet.rules.registry import RuleRegistry, collect_rules


@dataclass(frozen=True, slots=True)
class Capture:
    """The feeds, the audit trail (without one nothing is audited), the rules by which changes are
    judged before they are written, and those of the feeds that are of live classes."""

    feeds: FeedRegistry = field(default_factory=FeedRegistry)
    audit: AuditTrail | None = None
    rules: RuleRegistry = field(default_factory=RuleRegistry)
    live: Sequence[LiveFeed] = ()
    _of_others: list[tuple[CapturedTables, str]] = field(default_factory=list)

    def guard(self, tables: Iterable[str], reason: str) -> None:
        """Guard `tables` that are written, and seen, by somebody else than a session."""
        stubs = [Table(name, MetaData()) for name in tables]
        if stubs:
            self._of_others.append((CapturedTables(stubs, ()), reason))

    @property
    def judges_rows(self) -> bool:
        """Whether row rules are asked about what is published."""
        return any(each.is_judged for each in self.live)

    def is_audited(self, table: Any) -> bool:
        """Whether changes of rows of `table` are noted."""
        return self.audit is not None and is_audited(table)

    def notes(self, mapper: Mapper[Any]) -> bool:
        """Whether changes of rows of a mapped class are noted."""
        return self.audit is not None and table_of(mapper) is not None

    def guarded_tables(self) -> Iterator[tuple[CapturedTables, str]]:
        """The tables whose changes have to be seen, each with the reason."""
        if self.feeds:
            yield self.feeds.tables, "whose rows feed channels"
        if self.audit is not None:
            yield audited_tables(), WHICH_IS_AUDITED
        if self.rules.judges:
            yield self.rules.tables, "whose changes rules judge"
        yield from self._of_others

    def write(
        self, connect: Callable[[], Connection], notes: Sequence[Any], origin: Origin
    ) -> dict[str, int]:
        """Write publications and audit entries, always in this order: a chain of the trail is the
        last lock that is taken. `connect` is called if there is anything to write.

        Returns:
            Each channel that was published to, with its newest offset.
        """
        if not notes:
            return {}
        connection = connect()
        if connection.dialect.name == "postgresql":
            return take(connection, self.writing(notes, origin))
        publications, entries = _sort(notes)
        positions = append_on(connection, publications) if publications else {}
        if entries and self.audit is not None:
            self.audit.append(connection, entries, origin)
        return _offsets(positions)

    def writing(
        self, notes: Sequence[Any], origin: Origin, head: Sequence[Any] | None = None
    ) -> Steps[dict[str, int]]:
        """The same as steps of PostgreSQL's.

        `head` is the row of the trail's `FIND_EARLY_HEAD`, if the query has run already, behind
        all changes.
        """
        publications, entries = _sort(notes)
        positions: Mapping[str, Position] = {}
        if self.audit is not None and entries and _is_one_plain(publications):
            (only,) = publications
            # What needs nothing of the other goes in one round trip.
            if head is not None:
                entering = self.audit.entering(entries, origin, head)
                position = yield from appending_with(only, *entering)
                return _offsets({only.channel: position})
            position, head = yield from appending_and_finding(only, FIND_FREE_HEAD)
            positions = {only.channel: position}
        elif publications:
            positions = yield from appending(publications)
        if entries and self.audit is not None:
            yield from self.audit.appending(entries, origin, head)
        return _offsets(positions)


def _sort(notes: Sequence[Any]) -> tuple[Sequence[NewPublication], list[Entry]]:
    """The publications among `notes`, and the entries."""
    gone = [each for each in notes if isinstance(each, GoneRow)]
    publications = with_gone_rows(list(_publications(notes)), gone)
    return publications, [each for each in notes if isinstance(each, Entry)]


def _offsets(positions: Mapping[str, Position]) -> dict[str, int]:
    return {channel: position.offset for channel, position in positions.items()}


def _is_one_plain(publications: Sequence[NewPublication]) -> bool:
    return len(publications) == 1 and publications[0].is_plain


def _publications(notes: Iterable[Any]) -> Iterator[NewPublication]:
    """The publications among `notes`: of feeds, and those that come with their JSON."""
    for each in notes:
        if isinstance(each, Publication):
            yield NewPublication(each.channel, encode_event(each.event))
        elif isinstance(each, NewPublication):
            yield each


def compose_capture(features: Iterable[Feature], audit_secrets: Sequence[str]) -> Capture:
    """The capture of `features`.

    Raises:
        ConfigurationError: An ``events.py`` declares no feed, or a live class that cannot be one,
            or a ``rules.py`` something that is no rule.
    """
    follow_audited()
    features = tuple(features)
    rules = collect_rules(module for _, module in modules_of(features, "rules"))
    modules = modules_of(features, "events")
    live = collect_live(modules, rules)
    fed = ((each.model, each) for each in live)
    feeds = collect_feeds((module for _, module in modules), fed)
    return Capture(feeds, AuditTrail(audit_secrets), rules, live)
