"""Saving through a service: for a form whose change is a command of the business.

A `ModelAdmin` writes the row that its form shows. Where a feature's service does more than that
(numbers a document, books a place, tells somebody), the form calls it::

    @register(Loan)
    class LoanAdmin(ModelAdmin):
        def save_with(self, unit, key, changes):
            if key is None:
                return unit.run(services.lend, **changes)
            return unit.run(services.change_loan, key, changes)

        def delete_with(self, unit, key):
            unit.run(services.give_back, key)

Forms, editable lists and "delete selected" all come here. The service writes in the transaction of
the request, and what it raises is shown at its field.
"""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from sqlalchemy import inspect
from sqlalchemy.orm import Session

from trivet.data.unit_of_work import UnitOfWork
from trivet_admin.backends.writes import to_mapped
from trivet_admin.errors.to_django import CHANGED_MEANWHILE, GONE_MEANWHILE, StaleEditError
from trivet_admin.mirror.own_row import lock_row
from trivet_admin.mirror.row_references import references_of
from trivet_admin.mirror.shape import Shape, shape_of
from trivet_admin.mirror.unreadable import loading
from trivet_admin.unit import unit_of


class SavingWithServices:
    """Mixed into `ModelAdmin`."""

    model: type[Any]

    def save_with(
        self, unit: UnitOfWork[Session], key: Any | None, changes: Mapping[str, Any]
    ) -> Any:
        """Save what a form says, by a service. Override it; by default the row is written.

        Args:
            unit: The unit of work of the request.
            key: The primary key of the row; None for a new one.
            changes: What the form changed, by the names of the mapped attributes; of a new row
                everything that it says.

        Returns:
            The saved object of the mapped class.
        """
        raise NotImplementedError

    def delete_with(self, unit: UnitOfWork[Session], key: Any) -> None:
        """Delete a row by a service. Override it; by default the row is deleted.

        Args:
            unit: The unit of work of the request.
            key: The primary key of the row.
        """
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Django's hook for the row of a form."""
        if not _is_overridden(self, "save_with"):
            super().save_model(request, obj, form, change)  # type: ignore[misc]  # a ModelAdmin stands beside us
            return
        unit, shape = unit_of(request), shape_of(self.model)
        changes = _changes(shape, obj, form, is_new=not change)
        if change and not changes:
            return
        if change:
            _require_present(unit.session, shape, obj)
        saved = self.save_with(unit, obj.pk if change else None, changes)
        unit.session.flush()
        if not isinstance(saved, shape.mapped):
            raise TypeError(
                f"{type(self).__name__}.save_with() returned {type(saved).__name__}: return the "
                f"{shape.mapped.__name__} that the service saved"
            )
        shape.copy_columns(saved, obj)
        obj._state.adding, obj._state.db = False, "default"

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Django's hook for the row of a page."""
        if _is_overridden(self, "delete_with"):
            self.delete_with(unit_of(request), obj.pk)
            unit_of(request).session.flush()
        else:
            super().delete_model(request, obj)  # type: ignore[misc]  # as above

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Django's hook for the chosen rows of a list."""
        if not _is_overridden(self, "delete_with"):
            super().delete_queryset(request, queryset)  # type: ignore[misc]  # as above
            return
        for key in list(queryset.order_by("pk").values_list("pk", flat=True)):
            self.delete_with(unit_of(request), key)
        unit_of(request).session.flush()


def _is_overridden(model_admin: SavingWithServices, name: str) -> bool:
    return getattr(type(model_admin), name) is not getattr(SavingWithServices, name)


def _changes(shape: Shape, obj: Any, form: Any, *, is_new: bool) -> dict[str, Any]:
    named = {*(form.cleaned_data if is_new else form.changed_data)}
    for reference in references_of(type(obj)):
        if reference.name in named:
            named |= {column.name for column in reference.local_related_fields}
    changes: dict[str, Any] = {}
    for field in obj._meta.concrete_fields:
        key, value = shape.key_of(field), getattr(obj, field.attname)
        if field.name not in named or key == shape.version or shape.is_computed(field):
            continue
        if not (is_new and shape.is_left_to_the_database(field, value)):
            changes[key] = to_mapped(field, value)
    return changes


def _require_present(session: Session, shape: Shape, obj: Any) -> None:
    """Lock the row. Raises StaleEditError if it is gone, or not the one that the form shows."""
    with loading(inspect(shape.mapped).local_table.name):
        row = lock_row(session, shape.mapped, obj.pk)
    if row is None:
        raise StaleEditError(GONE_MEANWHILE)
    version, name = shape.version, shape.version_name
    if version and name and getattr(row, version) != getattr(obj, name):
        raise StaleEditError(CHANGED_MEANWHILE)
