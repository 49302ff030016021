"""Feeds of Django's models: ``@feed("polls.Question")`` in a feature's ``events.py``.

They get what the feeds of mapped classes get: an instance with its present values, and what an
update changed. They run right after the statement, in its transaction, and only read the instance.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from trivet.capture.recorder import Recorder
from trivet.data.capture import Capture
from trivet.data.flush import run_feeds
from trivet.data.statement_guard import FeedError
from trivet.errors import ConfigurationError
from trivet.events.feeds import Change
from trivet.suggestion import did_you_mean
from trivet_admin import runtime
from trivet_admin.backends.observers import Ends
from trivet_admin.backends.row_observer import Listener, Rows
from trivet_admin.joined.apps import joined_models
from trivet_admin.joined.auditing import kinds_of


def is_fed(label: str) -> bool:
    """Whether the model with this label feeds channels."""
    return bool(runtime.capture().feeds.feeds_of_label(label))


def feeds_of_rows(model: Any) -> Listener:
    """Runs the feeds of `model` on each row that was written."""
    return Listener(partial(is_fed, model._meta.label_lower), partial(_feed_rows, model))


def feeds_of_links(relation: Any) -> Listener:
    """Runs the feeds of the model that has `relation`, a many-to-many field; `old` holds the keys
    that it had."""
    label = relation.model._meta.label_lower
    return Listener(partial(is_fed, label), partial(_feed_links, relation))


def require_known(capture: Capture) -> None:
    """Raise ConfigurationError for a feed of a model that no joined application has."""
    known = {model._meta.label_lower: model._meta.label for model in joined_models()}
    for label in capture.feeds.labels:
        if label not in known:
            function = capture.feeds.feeds_of_label(label)[0]
            hint = did_you_mean(label, sorted(known))
            raise ConfigurationError(
                "no-feed",
                f"{function.__module__}.{function.__name__} feeds from {label!r}, which is no "
                f"model of a joined Django application{hint} Cure: name it as app.Model, and its "
                "application in TRIVET_DJANGO_APPS; a mapped class is named without quotes.",
            )


def _feed_rows(model: Any, before: Rows, after: Rows) -> None:
    for key, kind in kinds_of(before, after):
        was, now = before.get(key, {}), after.get(key, {})
        old = {n: was[n] for n in now if was[n] != now[n]} if kind == "update" else {}
        row = now or was
        instance = model.from_db(DEFAULT_DB_ALIAS, list(row), list(row.values()))
        _run(model, Change(kind, instance, old, _actor()))


def _feed_links(relation: Any, taken: Ends, given: Ends) -> None:
    owners = {owner for owner, _ in taken | given}
    members: dict[Any, set[Any]] = defaultdict(set)
    through = relation.remote_field.through
    ends = [
        through._meta.get_field(name).attname
        for name in (relation.m2m_field_name(), relation.m2m_reverse_field_name())
    ]
    every = through._base_manager.filter(**{f"{ends[0]}__in": owners})  # noqa: SLF001  # public by Django's documents
    for owner, target in every.values_list(*ends):
        members[owner].add(target)
    manager = relation.model._base_manager  # noqa: SLF001  # as above
    # Of an owner that is being deleted its own row tells.
    for owner, instance in sorted(manager.in_bulk(owners).items(), key=lambda each: str(each[0])):
        now = members[owner]
        lost = {target for one, target in taken if one == owner}
        got = {target for one, target in given if one == owner}
        old = {relation.name: tuple(sorted((now - got) | lost, key=str))}
        _run(relation.model, Change("update", instance, old, _actor()))


def _run(model: Any, change: Change[Any]) -> None:
    connection: Any = connections[DEFAULT_DB_ALIAS]
    recorder: Recorder = connection.session.recorder
    with _reading_nothing(connection, recorder):
        run_feeds(recorder, runtime.capture().feeds.feeds_of_label(model._meta.label_lower), change)


@contextmanager
def _reading_nothing(connection: Any, recorder: Recorder) -> Iterator[None]:
    def refuse(_execute: Any, sql: Any, *_: Any) -> None:
        raise FeedError(
            f"{recorder.running_feed} asked the database something "
            f"({' '.join(str(sql).split())[:120]}), and a feed is a plain read of the instance: "
            "use the columns that it has"
        )

    with connection.execute_wrapper(refuse):
        yield


def _actor() -> Any:
    connection: Any = connections[DEFAULT_DB_ALIAS]
    return connection.session.origin.actor
