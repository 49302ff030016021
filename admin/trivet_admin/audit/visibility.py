"""The values that a reader of the audit trail sees: those of the models that they may view.

The permission to read the trail tells who did what, when and by which way, for every kind of
object. Keys and values of rows are shown for the models that the reader may view, and hidden,
also from search and filters, for all others. A table of no model, such as one whose class is
gone, is for superusers.

Within a model that the reader may view, the rules of visibility hold (`trivet.rules`). A row that
they do not see now, or that is gone, is not shown to somebody whom a rule about rows restricts, and
an attribute that is hidden from them is left out; so is a member of a many-to-many relationship
whose row they do not see, which the entry of its owner names by its key. The trail has a key as a
text, which no query compares with the key of a row; so an entry is judged when it was read, and a
search does not look into the tables that a rule narrows, nor into changes that may name such
members.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from django.apps import apps
from django.contrib import admin
from django.db.models import BooleanField, Case, F, Q, QuerySet, TextField, Value, When
from django.http import HttpRequest

from trivet_admin.audit.members import keep_seen_members, seen_keys, tables_with_members
from trivet_admin.mirror.shape import Shape, find_shape, has_whole_table, table_name_of
from trivet_admin.site.seen_rows import (
    hidden_attributes,
    is_restricted,
    narrows,
)

_KEPT = "trivet_visible_tables"
"""Where a request keeps its answer: a page asks for it several times."""
_NARROWED = "trivet_narrowed_tables"
"""The same, of the tables that rules narrow."""


def visible_tables(request: HttpRequest) -> frozenset[str] | None:
    """The tables whose rows the user of `request` may view; None stands for all."""
    kept = vars(request)
    if _KEPT not in kept:
        user: Any = request.user
        is_unlimited = user.is_active and user.is_superuser
        kept[_KEPT] = None if is_unlimited else frozenset(_tables(request))
    found: frozenset[str] | None = kept[_KEPT]
    return found


def is_visible(request: HttpRequest, table: str) -> bool:
    """Whether the user of `request` may view the rows of `table`."""
    tables = visible_tables(request)
    return tables is None or table in tables


def _tables(request: HttpRequest) -> Iterator[str]:
    user: Any = request.user
    for model in apps.get_models():
        model_admin = admin.site._registry.get(model)  # noqa: SLF001  # Django has no public list of them
        if model_admin is not None:
            may_view = model_admin.has_view_permission(request)
        else:
            label = model._meta.app_label
            verbs = ("view", "change")  # as Django's admin has it
            may_view = any(user.has_perm(f"{label}.{v}_{model._meta.model_name}") for v in verbs)
        if may_view and has_whole_table(model):
            yield table_name_of(model)


def narrowed_tables(request: HttpRequest) -> dict[str, Any]:
    """The tables of which a rule hides rows or attributes from the user of `request`, each with its
    model."""
    kept = vars(request)
    if _NARROWED not in kept:
        every = apps.get_models() if narrows() else ()
        kept[_NARROWED] = {
            table_name_of(model): model
            for model in every
            if isinstance(find_shape(model), Shape)
            and has_whole_table(model)
            and (is_restricted(request, model) or hidden_attributes(request, model))
        }
    found: dict[str, Any] = kept[_NARROWED]
    return found


def with_visibility(request: HttpRequest, entries: QuerySet[Any]) -> QuerySet[Any]:
    """`entries`, each with `is_visible`; to search in, `visible_key` and `visible_changes` hold
    what the user of `request` may see, and nothing for the rest."""
    tables, narrowed = visible_tables(request), narrowed_tables(request)
    is_shown: Any = Value(value=True)
    if tables is not None:
        may_view = When(table_name__in=sorted(tables), then=Value(value=True))
        is_shown = Case(may_view, default=Value(value=False), output_field=BooleanField())
    seen = Q() if tables is None else Q(table_name__in=sorted(tables))
    if narrowed:
        seen &= ~Q(table_name__in=sorted(narrowed))
    whole = seen
    if of_others := tables_with_members(request):
        whole &= ~Q(table_name__in=sorted(of_others))
    return entries.annotate(is_visible=is_shown).alias(
        visible_key=_if_seen(seen, "row_key"), visible_changes=_if_seen(whole, "changes")
    )


def _if_seen(seen: Q, column: str) -> Any:
    if not seen:
        return F(column)
    return Case(When(seen, then=F(column)), default=Value(""), output_field=TextField())


def of_key(request: HttpRequest, entries: QuerySet[Any], key: str) -> QuerySet[Any]:
    """The entries of the rows with a key, of tables and rows that the user may see."""
    found = entries.filter(row_key=key)
    tables = visible_tables(request)
    if tables is not None:
        found = found.filter(table_name__in=tables)
    unseen = [
        table
        for table, model in narrowed_tables(request).items()
        if is_restricted(request, model) and not seen_keys(request, model, [key])
    ]
    return found.exclude(table_name__in=unseen) if unseen else found


def mask(request: HttpRequest, entries: Iterable[Any]) -> list[Any]:
    """Entries of `with_visibility`, without keys and values that are not to be seen."""
    found = list(entries)
    narrowed = narrowed_tables(request)
    for table in {entry.table_name for entry in found} & narrowed.keys():
        of_table = [entry for entry in found if entry.table_name == table]
        _narrow(request, narrowed[table], of_table)
    of_others = tables_with_members(request)
    for table in {entry.table_name for entry in found} & of_others.keys():
        keep_seen_members(
            request, of_others[table], [entry for entry in found if entry.table_name == table]
        )
    for entry in found:
        if not entry.is_visible:
            entry.row_key, entry.changes = "", "{}"
    return found


def _narrow(request: HttpRequest, model: Any, entries: list[Any]) -> None:
    seen = seen_keys(request, model, {entry.row_key for entry in entries})
    hidden = hidden_attributes(request, model)
    is_whole = not is_restricted(request, model)
    for entry in entries:
        entry.is_visible = entry.is_visible and (is_whole or entry.row_key in seen)
        if hidden:
            changes = msgspec.json.decode(entry.changes)
            kept = {name: each for name, each in changes.items() if name not in hidden}
            entry.changes = msgspec.json.encode(kept).decode()
