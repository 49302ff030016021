"""How a Django model mirrors a mapped class: the names on both sides, and who fills what."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db.models import Model as DjangoModel
from sqlalchemy import Table, inspect, tuple_

from trivet_admin.generic import AnyField
from trivet_admin.mirror.keys import RowKey

SHAPE = "trivet_shape"
"""The attribute of a mirrored model that holds its shape."""
LOADED = "trivet_loaded"
"""The attribute of an instance that holds its values as a form found them, until it is saved."""

NOT_SHOWN = "trivet_not_shown"
"""The attribute of an instance that stands in for a row which a page may not show."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One mapped class and its mirror.

    `keys` maps a Django attribute name (``origin_id``) to the mapped one. `version` and those in
    `primary_key`, in their order, are mapped names. `computed` are columns that nobody writes,
    `changing` those that change with every update by themselves, `defaulted` those that the
    database or SQLAlchemy fills if nobody does. `given` maps the mapped names that Django does not
    allow to the names of their fields. `discriminator` is the mapped name of the column that says
    of which class a row is; SQLAlchemy sets it to `identity` in a new one. `only_read` says why
    rows are not written, if they are not.
    """

    mapped: type[Any]
    keys: Mapping[str, str]
    primary_key: tuple[str, ...]
    version: str | None = None
    computed: frozenset[str] = field(default_factory=frozenset)
    changing: frozenset[str] = field(default_factory=frozenset)
    defaulted: frozenset[str] = field(default_factory=frozenset)
    given: Mapping[str, str] = field(default_factory=dict)
    discriminator: str | None = None
    identity: Any = None
    only_read: str | None = None

    @property
    def version_name(self) -> str | None:
        """The name of the version's field in Django."""
        return None if self.version is None else self.given.get(self.version, self.version)

    @property
    def key_columns(self) -> list[Any]:
        """The attributes of the mapped class that are its primary key."""
        return [getattr(self.mapped, name) for name in self.primary_key]

    def with_keys(self, keys: Iterable[Any]) -> Any:
        """The condition for the rows with these primary keys, each as Django has it."""
        if len(self.primary_key) == 1:
            return self.key_columns[0].in_(list(keys))
        return tuple_(*self.key_columns).in_([tuple(key) for key in keys])

    def identity_of(self, values: Sequence[Any]) -> Any:
        """The primary key as Django has it: a value, or a tuple of several."""
        return values[0] if len(self.primary_key) == 1 else RowKey(values)

    def key_of(self, field: AnyField) -> str:
        """The mapped attribute behind a field of the mirror."""
        return self.keys[field.attname]

    def is_computed(self, field: AnyField) -> bool:
        """Whether the database computes the column."""
        return self.key_of(field) in self.computed

    def is_left_to_the_database(self, field: AnyField, value: Any) -> bool:
        """Whether a new row's `value` is to be left out, so that its default applies."""
        key = self.key_of(field)
        is_given = value is not None and value != ""  # an empty form field
        is_set = key in self.computed or key in (self.version, self.discriminator)
        return is_set or (key in self.defaulted and not is_given)

    def copy_columns(
        self, instance: Any, mirrored: DjangoModel, attnames: Iterable[str] | None = None
    ) -> None:
        """Give `mirrored` the values that its row has now: all, or those named and those that
        change by themselves. Deferred fields stay deferred."""
        own = {*self.computed, *self.changing, self.version}
        wanted = set(self.keys if attnames is None else attnames)
        wanted |= {attname for attname, key in self.keys.items() if key in own}
        for attname in wanted - mirrored.get_deferred_fields():
            setattr(mirrored, attname, getattr(instance, self.keys[attname]))


@dataclass(frozen=True, slots=True)
class Association:
    """An association table: `relationship` of `parent` holds `child`.

    `source` and `target` are the foreign keys of the mirror, by their Django names.
    """

    parent: type[Any]
    child: type[Any]
    relationship: str
    source: str
    target: str


def find_shape(model: type[DjangoModel]) -> Shape | Association | None:
    """The shape of a mirrored model; None for a model of Django's own."""
    shape: Shape | Association | None = getattr(
        model._meta.concrete_model, SHAPE, None
    )  # _meta is public by Django's documents
    return shape


def table_name_of(model: type[DjangoModel]) -> str:
    """The table of a model as the audit trail calls it, without its schema."""
    shape = find_shape(model)
    table = inspect(shape.mapped).local_table if isinstance(shape, Shape) else None
    return str(table.name) if isinstance(table, Table) else str(model._meta.db_table)


def has_whole_table(model: type[DjangoModel]) -> bool:
    """Whether all rows of its table are rows of a model: not those of a single-table subclass."""
    shape = find_shape(model)
    return not (isinstance(shape, Shape) and inspect(shape.mapped).single)


def model_of_table(table: str) -> type[DjangoModel] | None:
    """The model of a table as the audit trail calls it; of several the one that has all rows."""
    found = (model for model in apps.get_models() if table_name_of(model) == table)
    return next(filter(has_whole_table, found), None)


def shape_of(model: type[DjangoModel]) -> Shape:
    """The shape of the mirror of a mapped class. Raises TypeError for any other model."""
    shape = find_shape(model)
    if not isinstance(shape, Shape):
        raise TypeError(f"{model.__name__} is not the mirror of a mapped class")
    return shape
