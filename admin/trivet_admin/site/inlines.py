"""Inlines of mapped classes: rows inside the form of another."""

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from trivet_admin.mirror.registry import mirror
from trivet_admin.site.forms import mirror_form, with_errors
from trivet_admin.site.mirror_forms import MirrorForms, asked_references, faults_of
from trivet_admin.site.only_read import OnlyRead
from trivet_admin.site.options import take_mapped_names
from trivet_admin.site.row_choices import arranged, with_row_choices
from trivet_admin.site.seeing import OnlySeenInline, in_front_of


class _MirrorInline(MirrorForms, OnlyRead):
    """An inline of a mapped class: its `model` is the mapped class itself."""

    def __new__(cls, *_arguments: Any) -> Any:
        plain: Any = cls
        return super().__new__(in_front_of(plain, OnlySeenInline))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = cls.__dict__.get("model")
        if model is not None and not issubclass(model, models.Model):
            cls.model = mirror(model)

    def __init__(self, parent_model: Any, admin_site: Any) -> None:
        super().__init__(parent_model, admin_site)  # type: ignore[call-arg]  # an inline stands beside us
        take_mapped_names(self, self.model)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_fields(request, obj)  # type: ignore[misc]  # an inline stands beside us
        own: Any = self
        return fields if own.fields else arranged(fields, self.model)

    def get_formset(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        form = mirror_form(options.get("form", self.form))
        form = with_row_choices(form, self.model, asked_references(self, request, obj))
        options["form"] = with_errors(form, faults_of(request))
        formset: Any = super().get_formset(request, obj, **options)  # type: ignore[misc]  # an inline stands beside us
        return formset if _reverse_of(formset) else _named(formset)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.with_version(super().get_fieldsets(request, obj))  # type: ignore[misc]  # as above


class TabularInline(_MirrorInline, admin.TabularInline):  # type: ignore[type-arg]  # as above
    """Rows of a mapped class inside the form of another, one a line."""


class StackedInline(_MirrorInline, admin.StackedInline):  # type: ignore[type-arg]  # as above
    """Rows of a mapped class inside the form of another, one below the other."""


def _reverse_of(formset: Any) -> str:
    """The name by which the parent knows the rows of an inline; empty if it has none."""
    name = str(formset.fk.remote_field.get_accessor_name(model=formset.model))
    return name.replace("+", "")


def _named(formset: Any) -> Any:
    """A formset whose inputs have a name. Django takes that of the relation on the other side, and
    if there is none its scripts look for inputs by a name that is none."""
    name = f"{formset.model._meta.model_name}_{formset.fk.name}"
    prefix = classmethod(lambda _cls: name)
    return type(formset.__name__, (formset,), {"get_default_prefix": prefix})
