"""The models of joined applications, each row of which is observed as it is written.

All that writes them by Django's ORM is seen: forms, views, commands, ``update()``,
``bulk_create()``, many-to-many fields, and what a deletion takes along. A statement past the ORM is
refused.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import FieldDoesNotExist

from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_admin.backends.observers import EveryRowObserver, LinkObserver
from trivet_admin.backends.row_observer import observe
from trivet_admin.joined import feeding
from trivet_admin.joined.apps import joined_models
from trivet_admin.joined.auditing import notes_of_links, notes_of_rows
from trivet_admin.mirror.shape import find_shape

IGNORED, REDACTED = "ignored", "redacted"

_SECRETS = frozenset({"password"})
"""The columns whose values never stand in the trail, whatever model has them."""


def connect() -> None:
    """Observe. Called once, when the apps are ready."""
    models = [model for model in joined_models() if find_shape(model) is None]
    _require_known(models)
    for model in models:
        _observe_rows(model)
        for relation in model._meta.local_many_to_many:
            _observe_links(relation)


def guarded_tables() -> list[str]:
    """The tables that SQLAlchemy may not write past Django, because their rows are observed."""
    return [
        table
        for model in joined_models()
        if find_shape(model) is None and not _is_unseen(model)
        for table in (model._meta.db_table, *_tables_of_links(model))
    ]


def _observe_rows(model: Any) -> None:
    if _is_unseen(model):
        return
    listeners = [feeding.feeds_of_rows(model)]
    exceptions: dict[str, str] = settings.TRIVET_AUDIT
    label = model._meta.label_lower
    names = {field.attname: field.name for field in model._meta.local_concrete_fields}
    said = {at: exceptions.get(f"{label}.{name}".lower()) for at, name in names.items()}
    if exceptions.get(label) != IGNORED:
        hidden = {at for at, what in said.items() if what == REDACTED or at in _SECRETS}
        if exceptions.get(label) == REDACTED:
            hidden = set(said) - {field.attname for field in model._meta.pk_fields}
        unnoted = {at for at, what in said.items() if what == IGNORED}
        listeners.insert(0, notes_of_rows(model, hidden, unnoted))
    observe(EveryRowObserver(model, listeners))


def _observe_links(relation: Any) -> None:
    """A table of links that Django made; one with a class of its own has rows like any other."""
    if not relation.remote_field.through._meta.auto_created or _is_unseen(relation.model):
        return
    label = relation.model._meta.label_lower
    exceptions: dict[str, str] = settings.TRIVET_AUDIT
    listeners = [feeding.feeds_of_links(relation)]
    if IGNORED not in (exceptions.get(label), exceptions.get(f"{label}.{relation.name}".lower())):
        listeners.insert(0, notes_of_links(relation))
    observe(LinkObserver(relation, listeners))


def _is_unseen(model: Any) -> bool:
    """Whether nobody has to know of the rows of `model`."""
    label = model._meta.label_lower
    return settings.TRIVET_AUDIT.get(label) == IGNORED and not feeding.is_fed(label)


def _tables_of_links(model: Any) -> Iterator[str]:
    for relation in model._meta.local_many_to_many:
        if relation.remote_field.through._meta.auto_created:
            yield relation.remote_field.through._meta.db_table


def _require_known(models: Iterable[Any]) -> None:
    """Raise ConfigurationError for an exception from the trail that names nothing."""
    by_label = {model._meta.label_lower: model for model in models}
    for name in settings.TRIVET_AUDIT:
        app, model, *field = name.split(".")
        found = by_label.get(f"{app}.{model}")
        if found is None:
            raise ConfigurationError(
                "django-audit",
                f"TRIVET_DJANGO_AUDIT names {name}, and no model of a joined application is "
                f"{app}.{model}{did_you_mean(f'{app}.{model}', sorted(by_label))}",
            )
        if field and not _has_field(found, field[0]):
            raise ConfigurationError(
                "django-audit",
                f"TRIVET_DJANGO_AUDIT names {name}, and {found.__name__} has no field {field[0]}.",
            )


def _has_field(model: Any, name: str) -> bool:
    by_lower = {field.name.lower(): field.name for field in model._meta.get_fields()}
    try:
        model._meta.get_field(by_lower.get(name, name))
    except FieldDoesNotExist:
        return False
    return True
