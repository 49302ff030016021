"""What Django's system checks of a `ModelAdmin` leave out, and what would be a 500 later."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.checks import ModelAdminChecks
from django.contrib.admin.utils import get_fields_from_path
from django.core.checks import Error
from django.core.exceptions import FieldError
from django.http import HttpRequest

from trivet_admin.mirror.row_references import references_of
from trivet_admin.mirror.typed import TypedField
from trivet_admin.site.choosing import ChosenByText
from trivet_admin.site.seeing import behind


class AdminChecks(ModelAdminChecks):
    """Django's own, and `search_fields`, of which Django learns at the first search."""

    def check(self, admin_obj: Any, **options: Any) -> list[Any]:
        found = super().check(admin_obj, **options)
        for each in found:
            if each.id == "admin.E106":  # an inline of Django's, which knows no mapped classes
                each.hint = _INLINES
        return [*found, *_faults_of_filters(admin_obj), *_find_fault_of_search(admin_obj)]

    def _check_date_hierarchy(self, obj: Any) -> list[Any]:
        """Django's, which knows its own types alone; pinned by a test. Any column that the database
        has as a day or a datetime has years, months and days."""
        found: list[Any] = super()._check_date_hierarchy(obj)  # type: ignore[misc]  # Django's types leave it out
        if [each.id for each in found] != ["admin.E128"]:
            return found
        field = get_fields_from_path(obj.model, obj.date_hierarchy)[-1]
        return [] if isinstance(field, TypedField) and field.has_days else found


_INLINES = "An inline of a mapped class stands on TabularInline or StackedInline of trivet_admin."
_BY_REQUEST = ("get_queryset", "get_search_fields", "get_search_results")
"""Methods that a `ModelAdmin` may override; what they give depends on a request."""


def _faults_of_filters(model_admin: Any) -> Iterator[Error]:
    """Django's filters compare one column."""
    for item in model_admin.list_filter:
        reference = next(
            (each for each in references_of(model_admin.model) if each.name == item), None
        )
        if reference is not None:
            columns = ", ".join(repr(column.name) for column in reference.local_related_fields)
            said = f"The value of 'list_filter' names {item!r}, which has several columns."
            hint = f"Filter by its columns: {columns}."
            yield Error(said, hint=hint, obj=type(model_admin), id="trivet.E002")


def _find_fault_of_search(model_admin: Any) -> list[Error]:
    own, plain = behind(type(model_admin)), admin.ModelAdmin
    known = (admin.ModelAdmin, ChosenByText)
    if any(
        getattr(own, name) not in [getattr(k, name, None) for k in known] for name in _BY_REQUEST
    ):
        return []
    rows = model_admin.model.objects.all()  # no query: nobody reads them
    try:
        plain.get_search_results(model_admin, HttpRequest(), rows, "x")
    except FieldError as error:
        said = f"The value of 'search_fields' cannot be searched: {error}"
        return [Error(said, obj=own, id="trivet.E001")]
    return []
