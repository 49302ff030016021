"""The values that a reader of the audit trail sees: those of the models that they may view.

The permission to read the trail tells who did what, when and by which way, for every kind of
object. Keys and values of rows are shown for the models that the reader may view, and hidden,
also from search and filters, for all others. A table of no model, such as one whose class is
gone, is for superusers.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import BooleanField, Case, F, QuerySet, TextField, Value, When
from django.http import HttpRequest

from trivet_admin.mirror.shape import has_whole_table, table_name_of

_KEPT = "trivet_visible_tables"
"""Where a request keeps its answer: a page asks for it several times."""


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


def with_visibility(request: HttpRequest, entries: QuerySet[Any]) -> QuerySet[Any]:
    """`entries`, each with `is_visible`; to search in, `visible_key` and `visible_changes` hold
    what the user of `request` may see, and nothing for the rest."""
    tables = visible_tables(request)
    if tables is None:
        return entries.annotate(is_visible=Value(value=True)).alias(
            visible_key=F("row_key"), visible_changes=F("changes")
        )
    may_view = When(table_name__in=sorted(tables), then=Value(value=True))
    return entries.annotate(
        is_visible=Case(may_view, default=Value(value=False), output_field=BooleanField())
    ).alias(
        visible_key=_if_visible(tables, "row_key"), visible_changes=_if_visible(tables, "changes")
    )


def _if_visible(tables: frozenset[str], column: str) -> Case:
    shown = When(table_name__in=sorted(tables), then=F(column))
    return Case(shown, default=Value(""), output_field=TextField())


def masked(entry: Any) -> Any:
    """`entry`, of `with_visibility`, without key and values if they are not to be seen."""
    if not entry.is_visible:
        entry.row_key, entry.changes = "", "{}"
    return entry
