"""Files that somebody takes out of the admin or brings in, by django-import-export: of rows and
attributes that the visitor sees.

The package asks a `ModelAdmin` for classes of resources. Such a class knows its fields, and finds
its rows, by itself; so the visitor is given one that is narrowed.
"""

from copy import copy
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from trivet_admin.errors.to_form import form_errors_of, is_refusal
from trivet_admin.site.seen_rows import (
    columns_on,
    conditions,
    hidden_names,
    is_restricted,
    narrows,
    only_seen,
    passes_hidden,
    restricted_on,
)
from trivet_admin.site.sizes import rows_of


class SeenFiles:
    """In front of a `ModelAdmin` that the package's mixins may stand behind."""

    model: Any

    def get_export_resource_classes(self, request: HttpRequest) -> list[Any]:
        """The author's, of what the visitor sees."""
        found = super().get_export_resource_classes(request)  # type: ignore[misc]  # a mixin stands behind us
        return [_seen(request, self.model, each) for each in found]

    def get_import_resource_classes(self, request: HttpRequest) -> list[Any]:
        """The author's, of what the visitor sees."""
        found = super().get_import_resource_classes(request)  # type: ignore[misc]  # as above
        return [_seen(request, self.model, each) for each in found]


def _seen(request: HttpRequest, model: Any, resource: Any) -> Any:
    if not narrows():
        return resource

    def get_queryset(own: Any) -> Any:
        return only_seen(request, super(shown, own).get_queryset())

    def save_instance(own: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        from trivet_admin.site.seeing import require_seen  # which stands in front with us

        try:
            super(shown, own).save_instance(instance, *arguments, **options)
        except Exception as error:
            # The number of a row that is not seen is taken, and may be said so in our words.
            if not is_refusal(error):
                raise
            hidden = hidden_names(request, model)
            raise ValidationError(dict(form_errors_of(error, model, hidden))) from error
        require_seen(request, instance, None)

    def import_field(own: Any, field: Any, instance: Any, *arguments: Any, **options: Any) -> None:
        take = super(shown, own).import_field
        relation = _restricted_relation(request, model, field)
        if relation is None:
            take(field, instance, *arguments, **options)
        elif relation.many_to_many:
            take(_of_seen(request, field, instance), instance, *arguments, **options)
        else:
            before = getattr(instance, relation.attname)
            take(field, instance, *arguments, **options)
            if getattr(instance, relation.attname) != before:
                _require_there(request, relation, getattr(instance, relation.attname))

    names = {
        "get_queryset": get_queryset,
        "import_field": import_field,
        "save_instance": save_instance,
    }
    shown: Any = type(resource.__name__, (resource,), names)
    fields = resource.fields.items()
    shown.fields = {name: each for name, each in fields if not _tells(request, model, name, each)}
    return shown


def _tells(request: HttpRequest, model: Any, name: str, field: Any) -> bool:
    """Whether a field shows more than the visitor sees: something hidden, or more than the key of
    what a row refers to."""
    path = field.attribute or name
    if passes_hidden(request, model, path):
        return True
    is_key = LOOKUP_SEP not in path and getattr(field.widget, "field", "pk") in ("pk", "id")
    return not is_key and bool(restricted_on(request, model, path))


def _restricted_relation(request: HttpRequest, model: Any, field: Any) -> Any:
    """The relation that a field of a file brings, to rows of which some may not be seen."""
    path = field.attribute or ""
    relation = next(iter(columns_on(model, path)), None) if LOOKUP_SEP not in path else None
    if relation is None or not relation.is_relation:
        return None
    # From Django 6.1 on a field of many has no column, and is not concrete.
    if not relation.concrete and not relation.many_to_many:
        return None
    return relation if is_restricted(request, relation.related_model) else None


def _require_there(request: HttpRequest, relation: Any, value: Any) -> None:
    """Refuse a key whose row the visitor does not see, in the words for one that no row has."""
    target = relation.related_model
    seen = rows_of(target).filter(*conditions(request, target))
    if value is not None and not seen.filter(**{relation.target_field.attname: value}).exists():
        raise target.DoesNotExist(f"{target._meta.object_name} matching query does not exist.")


def _of_seen(request: HttpRequest, field: Any, instance: Any) -> Any:
    """A field that brings those of its members that the visitor sees, and leaves the others of
    `instance` what they are."""
    narrowed = copy(field)
    members = getattr(instance, field.attribute)

    def clean(*arguments: Any, **options: Any) -> list[Any]:
        seen = only_seen(request, members.all()).values("pk")
        return [
            *only_seen(request, field.clean(*arguments, **options)),
            *members.exclude(pk__in=seen),
        ]

    narrowed.clean = clean
    return narrowed
