"""Files that somebody takes out of the admin or brings in, by django-import-export: of rows and
attributes that the visitor sees.

The package asks a `ModelAdmin` for classes of resources. Such a class knows its fields, and finds
its rows, by itself; so the visitor is given one that is narrowed.
"""

from typing import Any

from django.db.models.constants import LOOKUP_SEP
from django.http import HttpRequest

from trivet_admin.site.seen_rows import narrows, only_seen, passes_hidden, restricted_on


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

        super(shown, own).save_instance(instance, *arguments, **options)
        require_seen(request, instance, None)

    names = {"get_queryset": get_queryset, "save_instance": save_instance}
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
