"""Deleting a row of several classes: what refers to it as a row of any of them goes first.

Django's Collector follows the foreign keys to one model. A row of a joined or single-table subclass
is a row of its bases as well, and a foreign key may refer to any of them.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import router
from django.db.models.deletion import Collector
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet_admin.mirror.hierarchy import inherits
from trivet_admin.mirror.shape import Shape, find_shape


def models_above(model: type[Any]) -> Iterator[type[Any]]:
    """The mirrors of the classes that the one behind `model` inherits its rows from."""
    from trivet_admin.mirror.registry import mirror  # which builds on the models that need this

    shape = find_shape(model)
    mapper: Mapper[Any] | None = inspect(shape.mapped) if isinstance(shape, Shape) else None
    while mapper is not None and inherits(mapper):
        mapper = mapper.inherits
        assert mapper is not None, "it inherits"
        try:
            yield mirror(mapper.class_)
        except ConfigurationError:
            continue


def delete_rows(rows: Sequence[Any]) -> Any:
    """Delete `rows`, all of one mirror; returns what Django's ``delete`` does."""
    model: Any = type(rows[0])
    collector = Collector(using=router.db_for_write(model), origin=rows[0])
    collector.collect(rows)
    family = {model}
    for above in models_above(model):
        family.add(above)
        collector.collect(list(as_rows_of(above, rows)))
    for related in collector.data.keys() - family:
        for each in family:
            collector.add_dependency(each, related)
    return collector.delete()


def as_rows_of(model: type[Any], rows: Sequence[Any]) -> Any:
    """`rows` as those of another mirror in their family."""
    everything: Any = model
    return everything.objects.filter(pk__in=[row.pk for row in rows])
