"""The rows that go with a deleted one and that Django cannot know of.

Django follows foreign keys to the rows that refer to one. A mapped class can also delete what it
refers to itself, or the other end of an association (``cascade="all"``). The session does it
with the row; here it is shown on the page that asks, and asks for the permission to delete.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.admin.utils import NestedObjects
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, RelationshipDirection

from trivet.errors import Conflict
from trivet_admin.backends.reader import open_reader
from trivet_admin.mirror.hierarchy import is_inherited
from trivet_admin.mirror.own_row import find_row
from trivet_admin.mirror.registry import mirror
from trivet_admin.mirror.shape import Shape, find_shape, shape_of
from trivet_admin.mirror.unreadable import loading
from trivet_admin.site.seen_rows import seen_among


def with_cascades(admin: Any, request: HttpRequest, objs: Iterable[Any], told: Any) -> Any:
    """What Django's ``get_deleted_objects`` has `told` of `objs`, and what else goes with them."""
    shown, counts, missing, protected = told
    rows = list(objs)
    shape = find_shape(type(rows[0])) if rows else None
    if not isinstance(shape, Shape) or not _reaches_further(inspect(shape.mapped)):
        return told
    shown, counts, missing = [*shown], {**counts}, {*missing}
    for row in _others(shape, rows):
        options, site = row._meta, admin.admin_site
        if row.pk in seen_among(request, type(row), [row.pk]):
            shown.append(f"{str(options.verbose_name).capitalize()}: {row}")
        plural = options.verbose_name_plural
        counts[plural] = counts.get(plural, 0) + 1
        if site.is_registered(type(row)):
            model_admin = site.get_model_admin(type(row))
            if not model_admin.has_delete_permission(request, row):
                missing.add(options.verbose_name)
    return shown, counts, missing, protected


def _reaches_further(mapper: Mapper[Any]) -> bool:
    """Whether a deletion can go another way than against a foreign key."""
    seen, waiting = {mapper}, [mapper]
    while waiting:
        for relationship in waiting.pop().relationships:
            if not relationship.cascade.delete:
                continue
            if relationship.direction is not RelationshipDirection.ONETOMANY:
                return True
            for each in relationship.mapper.self_and_descendants:
                if each is not relationship.mapper and _deletes_more(each):
                    return True  # Django sees the rows of a base
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
    return False


def _deletes_more(mapper: Mapper[Any]) -> bool:
    """Whether rows of a subclass take along what those of its base do not."""
    own = (each for each in mapper.relationships if not is_inherited(mapper, each.key))
    return any(each.cascade.delete for each in own)


def _place(model: Any, key: Any) -> tuple[Any, Any]:
    """What the rows of one object have in common, whichever classes they are shown as."""
    shape = find_shape(model)
    if not isinstance(shape, Shape):
        return model, key
    mapper: Mapper[Any] = inspect(shape.mapped)
    return mapper if mapper.concrete else mapper.base_mapper, key


def _others(shape: Shape, rows: list[Any]) -> Iterator[Any]:
    """The rows that SQLAlchemy would delete with `rows`, and Django would not."""
    collector = NestedObjects(using=DEFAULT_DB_ALIAS)
    collector.collect(rows)
    known = {_place(type(row), row.pk) for found in collector.data.values() for row in found}
    with open_reader() as session:
        for row in rows:
            try:
                with loading(row._meta.db_table):
                    found = list(_cascade(find_row(session, shape.mapped, row.pk)))
            except Conflict:  # the deletion will say so
                continue
            for mapper, identity in found:
                model = mirror(mapper.class_)
                key = shape_of(model).identity_of(identity)
                if (place := _place(model, key)) not in known:
                    known.add(place)
                    yield model.objects.get(pk=key)


def _cascade(mapped: Any) -> Iterator[tuple[Mapper[Any], Any]]:
    """The class and the key of each row that goes with an object, which may be None."""
    if mapped is not None:
        state = inspect(mapped)
        for _, mapper, found, _ in state.mapper.cascade_iterator("delete", state):
            yield mapper, found.identity
