"""What Django's system checks of a `ModelAdmin` leave out, and what would be a 500 later."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.checks import ModelAdminChecks
from django.core.checks import Error
from django.core.exceptions import FieldError
from django.http import HttpRequest


class AdminChecks(ModelAdminChecks):
    """Django's own, and `search_fields`, of which Django learns at the first search."""

    def check(self, admin_obj: Any, **options: Any) -> list[Any]:
        found = super().check(admin_obj, **options)
        for each in found:
            if each.id == "admin.E106":  # an inline of Django's, which knows no mapped classes
                each.hint = _INLINES
        return [*found, *_find_fault_of_search(admin_obj)]


_INLINES = "An inline of a mapped class stands on TabularInline or StackedInline of trivet_admin."
_BY_REQUEST = ("get_queryset", "get_search_fields", "get_search_results")
"""Methods that a `ModelAdmin` may override; what they give depends on a request."""


def _find_fault_of_search(model_admin: Any) -> list[Error]:
    own, plain = type(model_admin), admin.ModelAdmin
    if any(getattr(own, name) is not getattr(plain, name) for name in _BY_REQUEST):
        return []
    rows = model_admin.model.objects.all()  # no query: nobody reads them
    try:
        plain.get_search_results(model_admin, HttpRequest(), rows, "x")
    except FieldError as error:
        said = f"The value of 'search_fields' cannot be searched: {error}"
        return [Error(said, obj=own, id="trivet.E001")]
    return []
