"""The pages of classes whose rows are only read: a view, a query, a table of somebody else.

Nobody has a permission to add, change or delete there, superusers included, and who tries is told
why.
"""

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from trivet_admin.mirror.shape import Shape, find_shape


class OnlyRead:
    """Mixed into `ModelAdmin` and the inlines."""

    model: Any

    @property
    def only_read(self) -> str | None:
        """Why rows are not written, as the end of a sentence; None if they are."""
        shape = find_shape(self.model)
        return shape.only_read if isinstance(shape, Shape) else None

    def has_add_permission(self, request: HttpRequest, *row: Any) -> bool:
        """Django's; nobody adds a row that is only read."""
        return self.only_read is None and super().has_add_permission(request, *row)  # type: ignore[misc]  # an admin stands beside us

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's; nobody changes a row that is only read."""
        return self.only_read is None and super().has_change_permission(request, obj)  # type: ignore[misc]  # as above

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Django's; nobody deletes a row that is only read."""
        return self.only_read is None and super().has_delete_permission(request, obj)  # type: ignore[misc]  # as above


class OnlyReadPages(OnlyRead):
    """Mixed into `ModelAdmin`."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Django's. A query may have several rows with one key: the first is as good."""
        if self.only_read is None or from_field is not None:
            return super().get_object(request, object_id, from_field)  # type: ignore[misc]  # as above
        try:
            value = self.model._meta.pk.to_python(object_id)
        except (ValidationError, ValueError):
            return None
        return self.get_queryset(request).filter(pk=value).first()  # type: ignore[attr-defined]  # as above

    def changeform_view(self, request: HttpRequest, object_id: Any = None, *rest: Any) -> Any:
        """Django's. Says why there is nothing to be saved."""
        # From 6.1 on a form names its row for actions. What else is sent with it Django refuses.
        is_saved = request.method == "POST" and ACTION_CHECKBOX_NAME not in request.POST
        if object_id is None or is_saved:
            self._require_written("save")
        return super().changeform_view(request, object_id, *rest)  # type: ignore[misc]  # as above

    def delete_view(self, request: HttpRequest, object_id: str, *rest: Any, **more: Any) -> Any:
        """Django's. Says why there is nothing to be deleted."""
        self._require_written("delete")
        return super().delete_view(request, object_id, *rest, **more)  # type: ignore[misc]  # as above

    def _require_written(self, verb: str) -> None:
        if self.only_read is not None:
            name = self.model._meta.verbose_name
            raise PermissionDenied(f"Nobody can {verb} a {name} here: {self.only_read}.")
