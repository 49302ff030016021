"""The fate of the rows that refer to one that is deleted: what `session.delete` would do to them.

A relationship of the referred class decides, whether or not there is one back from the referring
class. It deletes the rows (``cascade="all, delete-orphan"``), leaves them to the database
(``passive_deletes``), or sets their foreign key to NULL. Without a relationship the database
decides. Django's Collector then does it first, so that it is shown on the page that asks, and
captured like any other change.
"""

from collections.abc import Iterator
from typing import Any

from django.db import models
from sqlalchemy import BinaryExpression, Column, ForeignKey
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet.models.mapped import our_mappers
from trivet.models.views import find_reading
from trivet_admin.generic import AnyField


def fate_of(mapper: Mapper[Any], column: "Column[Any]", reference: ForeignKey) -> Any:
    """``on_delete`` for the foreign key of `column` in rows of `mapper`.

    Rows that are only read are left to the database: those of a view change by themselves. Where
    neither the mapped classes nor the database have a word on it, the database refuses, and so does
    the admin, which can say why.
    """
    if find_reading(mapper) is not None:
        return models.DO_NOTHING
    collections = list(_collections_over(column, reference))
    rule = (reference.ondelete or "").upper()
    if any(each.cascade.delete for each in collections):
        rule = "CASCADE"
    elif column.nullable and any(not each.passive_deletes for each in collections):
        rule = "SET NULL"
    if rule == "CASCADE":
        return cascade_before_parent if column.nullable else models.CASCADE
    return models.SET_NULL if rule == "SET NULL" else models.PROTECT


def cascade_before_parent(collector: Any, field: AnyField, sub_objs: Any, using: str) -> None:
    """CASCADE for a nullable foreign key: Django's own deletes the parent first, because it
    sets such keys to NULL; SQLAlchemy must delete the children while they are children."""
    del using
    related: Any = field.remote_field
    collector.collect(
        sub_objs, source=related.model, source_attr=field.name, fail_on_restricted=False
    )


def _collections_over(
    column: "Column[Any]", reference: ForeignKey
) -> Iterator["RelationshipProperty[Any]"]:
    """The relationships of the referred class that hold all rows which refer to it by `column`.
    One with a further condition says nothing of the rows that do not meet it."""
    for mapper in our_mappers():
        if mapper.local_table is not reference.column.table:
            continue
        for relationship in mapper.relationships:
            remote = {pair[1] for pair in relationship.synchronize_pairs}
            is_collection = relationship.direction is RelationshipDirection.ONETOMANY
            if not is_collection or relationship.viewonly or remote != {column}:
                continue
            if isinstance(relationship.primaryjoin, BinaryExpression):
                yield relationship
