"""The base of every mirrored model: saving as one unit, and never over somebody's edit."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from django.db.transaction import atomic

from trivet_admin.errors.to_django import GONE_MEANWHILE, StaleEditError
from trivet_admin.mirror.own_row import find_row
from trivet_admin.mirror.shape import LOADED, Shape


class MirrorModel(models.Model):
    """A Django model of a table that SQLAlchemy owns.

    `save` raises StaleEditError if the row has a version and another one than was loaded, or
    if it is gone; Django alone would overwrite the first and insert the second again.
    """

    trivet_shape: Shape

    class Meta:
        abstract = True

    def __str__(self) -> str:
        """For a mapped class without a text of its own: "loan 2", not "Loan object (2)"."""
        return f"{self._meta.verbose_name} {self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        # A new object is inserted even if it brings its key: an UPDATE tried first would
        # take over a row that is already there.
        if self._state.adding and not options.get("update_fields"):
            options["force_insert"] = not options.get("force_update", False)
        super().save(*args, **options)

    def delete(self, *args: Any, **options: Any) -> Any:
        """Django's, with what refers to the row as one of a class that its own inherits from."""
        from trivet_admin.mirror.whole_rows import delete_rows, models_above

        is_alone = next(models_above(type(self)), None) is None
        return super().delete(*args, **options) if is_alone else delete_rows([self])

    def _do_update(
        self,
        base_qs: Any,
        using: Any,
        pk_val: Any,
        values: Any,
        *rest: Any,
    ) -> Any:
        """Django's step of `save` that updates the row. Private, and its signature grows with
        Django's versions: a test pins what we rely on."""
        with atomic(using, savepoint=False):
            return self._update_row(base_qs, using, pk_val, values, *rest)

    def _update_row(self, base_qs: Any, using: Any, pk_val: Any, values: Any, *rest: Any) -> Any:
        values = self._changed(values)
        updated = super()._do_update(base_qs, using, pk_val, self._with_version(values), *rest)
        if not updated and not self._state.adding:
            raise StaleEditError(GONE_MEANWHILE)
        if updated and values:
            self._take_written_values(using, pk_val, [field.attname for field, *_ in values])
        return updated

    def _changed(self, values: Sequence[Any]) -> list[Any]:
        """`values` without those of which a form found the very object here. What can change
        inside is compared by the session."""
        loaded: dict[str, Any] = self.__dict__.pop(LOADED, {})
        missing = object()
        return [
            each
            for each in values
            if isinstance(each[2], dict | list | set | bytearray)
            or loaded.get(each[0].attname, missing) is not each[2]
        ]

    def _with_version(self, values: Sequence[Any]) -> list[Any]:
        version = self.trivet_shape.version_name
        if not values or version is None or any(f.attname == version for f, *_ in values):
            return list(values)
        field = self._meta.get_field(version)
        return [*values, (field, None, getattr(self, version))]

    def _take_written_values(self, using: str | None, pk_val: Any, names: Sequence[str]) -> None:
        """The row as it was written: the new version, and what validators made of a value.
        What was not written keeps the value that it has here."""
        from django.db import connections

        session: Any = connections[using or "default"].session  # type: ignore[attr-defined]  # our backend
        row = find_row(session, self.trivet_shape.mapped, pk_val)
        if row is not None:
            self.trivet_shape.copy_columns(row, self, names)
