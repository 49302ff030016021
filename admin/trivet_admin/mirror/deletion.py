"""The fate of the rows that refer to one that is deleted: what `session.delete` would do to them.

A relationship of the referred class decides, whether or not there is one back from the referring
class. It deletes the rows (``cascade="all, delete-orphan"``), leaves them to the database
(``passive_deletes``), or sets their foreign key to NULL. Without a relationship the database
decides. Django's Collector then does it first, so that it is shown on the page that asks, and
captured like any other change.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import models
from sqlalchemy import BinaryExpression, BooleanClauseList, Column, ForeignKey
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet.models.mapped import our_mappers
from trivet.models.views import find_reading
from trivet_admin.generic import AnyField


def fate_of(mapper: Mapper[Any], column: "Column[Any]", reference: ForeignKey) -> Any:
    """``on_delete`` for the foreign key of `column` in rows of `mapper`."""
    return fate_of_columns(mapper, [column], reference.column.table, reference.ondelete)


def fate_of_columns(
    mapper: Mapper[Any], columns: Sequence["Column[Any]"], referred: Any, ondelete: str | None
) -> Any:
    """``on_delete`` for the foreign key over `columns` of `mapper` to the table `referred`.

    Rows that are only read are left to the database: those of a view change by themselves. Where
    neither the mapped classes nor the database have a word on it, the database refuses, and so does
    the admin, which can say why.
    """
    if find_reading(mapper) is not None:
        return models.DO_NOTHING
    collections = list(_collections_over({*columns}, referred))
    rule = (ondelete or "").upper()
    is_nullable = all(column.nullable for column in columns)
    if any(each.cascade.delete for each in collections):
        rule = "CASCADE"
    elif is_nullable and any(not each.passive_deletes for each in collections):
        rule = "SET NULL"
    if rule == "CASCADE":
        return cascade_before_parent if any(each.nullable for each in columns) else models.CASCADE
    if rule == "SET NULL" and len(columns) > 1:
        # The session does it, for all columns at once: half a reference may be refused.
        return models.DO_NOTHING if is_nullable else set_columns_null
    if rule == "SET NULL":
        return models.SET_NULL
    return models.PROTECT


def set_columns_null(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """SET NULL for a foreign key of several columns, of which some take no NULL."""
    del using
    sub_objs = list(sub_objs)
    for column in field.local_related_fields:
        if column.null:
            collector.add_field_update(column, None, sub_objs)


set_columns_null.lazy_sub_objs = True  # type: ignore[attr-defined]  # Django's word for "it stays"


def cascade_before_parent(collector: Any, field: AnyField, sub_objs: Any, using: str) -> None:
    """CASCADE for a nullable foreign key: Django's own deletes the parent first, because it
    sets such keys to NULL; SQLAlchemy must delete the children while they are children."""
    del using
    related: Any = field.remote_field
    collector.collect(
        sub_objs, source=related.model, source_attr=field.name, fail_on_restricted=False
    )


def _collections_over(
    columns: set["Column[Any]"], referred: Any
) -> Iterator["RelationshipProperty[Any]"]:
    """The relationships of the referred class that hold all rows which refer to it by `columns`.
    One with a further condition says nothing of the rows that do not meet it."""
    for mapper in our_mappers():
        if mapper.local_table is not referred:
            continue
        for relationship in mapper.relationships:
            remote = {pair[1] for pair in relationship.synchronize_pairs}
            is_collection = relationship.direction is RelationshipDirection.ONETOMANY
            if not is_collection or relationship.viewonly or remote != columns:
                continue
            if _has_no_other_condition(relationship):
                yield relationship


def _has_no_other_condition(relationship: "RelationshipProperty[Any]") -> bool:
    """Whether its rows are joined by equal columns alone."""
    joined: Any = relationship.primaryjoin
    clauses = joined.clauses if isinstance(joined, BooleanClauseList) else [joined]
    size = len(relationship.synchronize_pairs)
    return len(clauses) == size and all(isinstance(each, BinaryExpression) for each in clauses)
