"""What the admin of a mapped class and the inlines of one share: the fields of their forms.

A row's version travels hidden in its form, references of several columns are asked for as one, and
what no form can take back is shown.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest

from trivet_admin.mirror.row_references import references_of
from trivet_admin.mirror.shape import Shape, find_shape
from trivet_admin.mirror.typed import ShownField
from trivet_admin.site.choosing import RelatedChoices
from trivet_admin.site.forms import FaultsOfForms

FAULTS = "trivet_faults"
"""Where a request keeps the faults of its first try while its forms are shown again."""


def faults_of(request: HttpRequest) -> FaultsOfForms:
    """The refusal that the first try to save this request's forms met."""
    faults: FaultsOfForms = getattr(request, FAULTS, {})
    return faults


class MirrorForms(RelatedChoices):
    """Shared by the admin of a model and the inlines of one."""

    model: type[Any]
    form: type[Any]

    @property
    def version_name(self) -> str | None:
        """The name of the version field, if the rows have a version."""
        shape = find_shape(self.model)
        return shape.version_name if isinstance(shape, Shape) else None

    def with_version(self, fieldsets: Sequence[Any]) -> list[Any]:
        """`fieldsets`, the first of which carries the hidden version too."""
        listed = [name for _, options in fieldsets for name in options["fields"]]
        if self.version_name is None or self.version_name in listed or not fieldsets:
            return list(fieldsets)
        (title, options), *rest = fieldsets
        return [(title, {**options, "fields": [*options["fields"], self.version_name]}), *rest]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Django's, and the values that no form can take back: of a row that there is, and where
        an option names them."""
        admin: Any = self
        named = tuple(super().get_readonly_fields(request, obj))  # type: ignore[misc]  # an admin stands beside us
        laid_out = flatten_fieldsets(admin.fieldsets or [(None, {"fields": admin.fields or ()})])
        shown = (
            field.name
            for field in self.model._meta.concrete_fields
            if _is_only_shown(self.model, field) and field.name not in named
            if field.name in laid_out or (getattr(field, "is_shown", True) and obj is not None)
        )
        return (*named, *shown)


def lays_out(admin: Any) -> bool:
    """Whether an option of an admin names the fields of its form."""
    return bool(admin.fields or admin.fieldsets)


def asked_references(admin: Any, request: HttpRequest, obj: Any) -> list[str]:
    """The references of several columns that the form of an admin asks for."""
    laid_out = flatten_fieldsets(admin.fieldsets or [(None, {"fields": admin.fields or ()})])
    shown = {*admin.get_readonly_fields(request, obj), *(admin.get_exclude(request, obj) or ())}
    return [
        each.name
        for each in references_of(admin.model)
        if each.name not in shown and (not lays_out(admin) or each.name in laid_out)
    ]


def _is_only_shown(model: Any, field: Any) -> bool:
    """Whether a form shows a field of a row and never takes it: no text stands for its value, or
    SQLAlchemy sets it."""
    shape = find_shape(model)
    is_set = isinstance(shape, Shape) and shape.keys.get(field.attname) == shape.discriminator
    return isinstance(field, ShownField) or is_set
