"""Django's writes of an association table's rows, as elements of a mapped collection."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import IntegrityError
from django.db.models import Model as DjangoModel
from django.db.models.constants import OnConflict
from sqlalchemy import inspect
from sqlalchemy.orm.collections import collection_adapter

from trivet.data.session import TrivetSession
from trivet_admin.backends.rows import lock_rows
from trivet_admin.errors.to_django import not_supported
from trivet_admin.generic import AnyField
from trivet_admin.mirror.own_row import find_row
from trivet_admin.mirror.shape import Association
from trivet_admin.mirror.unreadable import knowing_kinds


class AssociationWriter:
    """Appends to and removes from the collection that an association table stands for."""

    def __init__(self, shape: Association) -> None:
        self.shape = shape

    def check_conflict_clause(self, on_conflict: Any) -> None:
        if on_conflict not in (None, OnConflict.IGNORE):
            raise not_supported("bulk_create() with update_conflicts", "add to the relation")

    def insert(
        self,
        connection: Any,
        objects: Sequence[DjangoModel],
        fields: Sequence[AnyField],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        del objects  # a row of an association table has nothing to copy back
        names = [field.name for field in fields]
        pairs = [dict(zip(names, row, strict=True)) for row in rows]
        ends = [(pair[self.shape.source], pair[self.shape.target]) for pair in pairs]
        with connection.shared_transaction.translated() as session:
            for parent, child in self._load(session, ends):
                collection = getattr(parent, self.shape.relationship)
                if child not in collection:
                    collection_adapter(collection).append_with_event(child)
            session.flush()

    def update(self, compiler: Any) -> list[Any]:
        raise not_supported(
            f"an update of {compiler.query.model.__name__}",
            "add to the relation and remove from it",
        )

    def delete(self, compiler: Any) -> int:
        ends = lock_rows(compiler, [self.shape.source, self.shape.target])
        with compiler.connection.shared_transaction.translated() as session:
            for parent, child in self._load(session, ends):
                collection = getattr(parent, self.shape.relationship)
                if child in collection:
                    collection_adapter(collection).remove_with_event(child)
            session.flush()
        return len(ends)

    def read(self, row: Any, field: AnyField) -> Any:
        raise not_supported(f"reading {field.name} back from {row!r}", "read the relation")

    def _load(self, session: TrivetSession, ends: Iterable[Sequence[Any]]) -> list[tuple[Any, Any]]:
        pairs = []
        for parent_key, child_key in ends:
            with knowing_kinds(inspect(self.shape.parent).local_table.name):
                parent = find_row(session, self.shape.parent, parent_key)
                child = find_row(session, self.shape.child, child_key)
            if parent is None or child is None:
                raise IntegrityError("one end of the relation does not exist")
            session.expire(parent, [self.shape.relationship])
            pairs.append((parent, child))
        return pairs
