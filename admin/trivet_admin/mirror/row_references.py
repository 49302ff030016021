"""Foreign keys of several columns.

Their columns are fields of their own, as any column is. Where the mapped class has a relationship
over them, the mirror has one more field by its name: the row that they refer to, as a whole. Django
knows such relations, and has no form for them. Here one is chosen like any other row, and the
columns follow it.
"""

from collections.abc import Iterator
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.models import ForeignObject
from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.orm import Mapper

from trivet_admin.mirror.deletion import fate_of_columns
from trivet_admin.mirror.hierarchy import class_of_table, columns_of, is_inherited
from trivet_admin.mirror.labels import label_of_class
from trivet_admin.mirror.names import names_of, relationship_over
from trivet_admin.mirror.relations import related_name_of


class _KeyOfRow:
    """The key of the row that is referred to. Django reads and writes it when it validates; the
    columns are the truth. No property, of which Django's checks would say that it clashes."""

    def __init__(self, reference: "RowReference") -> None:
        self._reference = reference

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return self if instance is None else self._reference.row_key(instance)

    def __set__(self, instance: Any, key: Any) -> None:
        del instance, key


class RowReference(ForeignObject):  # type: ignore[type-arg]  # not generic at run time
    """The row that several columns refer to."""

    def get_attname_column(self) -> Any:
        """Another attribute than the row itself has, as of any relation: by that Django's admin
        knows one."""
        return f"_{self.name}_key", None

    def contribute_to_class(self, cls: Any, name: str, *args: Any, **options: Any) -> None:
        super().contribute_to_class(cls, name, *args, **options)
        setattr(cls, self.attname, _KeyOfRow(self))

    def save_form_data(self, instance: Any, data: Any) -> None:
        """Let the columns follow the chosen row. Where none is chosen, those that may be empty and
        serve nothing else are emptied."""
        if data is not None:
            setattr(instance, self.name, data)
            return
        for column in self.own_columns():
            if column.null:
                setattr(instance, column.attname, None)

    def own_columns(self) -> list[Any]:
        """The columns that serve no other relation."""
        others = [
            each
            for each in self.model._meta.local_fields
            if isinstance(each, RowReference) and each is not self
        ]
        shared = {column for each in others for column in each.local_related_fields}
        return [
            column
            for column in self.local_related_fields
            if column not in shared and not column.is_relation
        ]

    def row_key(self, instance: Any) -> Any:
        """The primary key of the row that `instance` refers to, as Django has it; None if there is
        none, as for the empty texts of a new row."""
        try:
            row = getattr(instance, self.name) if self.is_set(instance) else None
        except ObjectDoesNotExist:
            return None
        return None if row is None else row.pk

    def is_set(self, instance: Any) -> bool:
        """Whether `instance` refers to a row at all."""
        return None not in self.get_local_related_value(instance)

    def _check_unique_target(self) -> list[Any]:
        """Django's knows no unique index; the database has asked already."""
        return []


def row_references(mapper: Mapper[Any]) -> Iterator[tuple[str, RowReference]]:
    """The fields for the foreign keys of several columns, each with the key of its relationship."""
    names = names_of(mapper)
    for constraint in _constraints_of(mapper):
        referred = class_of_table(constraint.referred_table)
        relationship = relationship_over(mapper, *constraint.columns)
        if len(constraint.columns) < 2 or referred is None or relationship is None:
            continue
        there = names_of(referred)
        columns: list[Any] = list(constraint.columns)
        targets = [element.column for element in constraint.elements]
        own = [mapper.get_property_by_column(column).key for column in columns]
        theirs = [referred.get_property_by_column(column).key for column in targets]
        if not (_are_fields(mapper, own) and _are_fields(referred, theirs)):
            continue
        is_nullable = any(column.nullable for column in columns)
        # Of a row that several mirrors have, that of its base speaks to the rows it refers to.
        is_told = not is_inherited(mapper, relationship.key)
        fate = fate_of_columns(mapper, columns, constraint.referred_table, constraint.ondelete)
        yield (
            relationship.key,
            RowReference(
                label_of_class(referred.class_),
                on_delete=fate if is_told else models.DO_NOTHING,
                from_fields=[names.fields[key] for key in own],
                to_fields=[there.fields[key] for key in theirs],
                related_name=related_name_of(relationship) if is_told else "+",
                null=is_nullable,
                blank=is_nullable,
            ),
        )


def _are_fields(mapper: Mapper[Any], keys: list[str]) -> bool:
    """Whether a mirror has each of these attributes. The key of a joined subclass under a name of
    its own is none."""
    return {*keys} <= dict(columns_of(mapper)).keys()


def _constraints_of(mapper: Mapper[Any]) -> list[ForeignKeyConstraint]:
    """The foreign keys of the tables that a row is in. A query or a join is no table."""
    if not isinstance(mapper.local_table, Table):
        return []
    tables = [each for each in mapper.tables if isinstance(each, Table)]
    found = [key for table in tables for key in table.foreign_key_constraints]
    return sorted(found, key=lambda each: str(each.name))


def references_of(model: Any) -> list[RowReference]:
    """The references of several columns that a mirror has."""
    return [each for each in model._meta.local_fields if isinstance(each, RowReference)]
