"""Foreign keys and many-to-many relations of a mirror."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from sqlalchemy import Column, ForeignKey, Table, inspect
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet_admin.generic import AnyField, ManyToManyField, OneToOneField
from trivet_admin.generic import ForeignKey as ForeignKeyField
from trivet_admin.mirror.columns import is_unique, is_whole_key, options_of, unsupported
from trivet_admin.mirror.deletion import fate_of
from trivet_admin.mirror.hierarchy import class_of_table, is_inherited
from trivet_admin.mirror.labels import label_of_class
from trivet_admin.mirror.names import names_of, relationship_over


class _MappedName:
    """A relation whose column keeps the name that it has in the mapped class, so that
    ``flight.origin_id`` and the mapped class's own properties read alike on both sides."""

    mapped_name: str

    def get_attname(self) -> str:
        return self.mapped_name

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()  # type: ignore[misc]  # a field beside us
        return name, path, arguments, {**options, "mapped_name": self.mapped_name}


class MirrorForeignKey(_MappedName, ForeignKeyField):
    def __init__(self, *args: Any, mapped_name: str, **options: Any) -> None:
        self.mapped_name = mapped_name
        super().__init__(*args, **options)


class MirrorOneToOneField(_MappedName, OneToOneField):
    def __init__(self, *args: Any, mapped_name: str, **options: Any) -> None:
        self.mapped_name = mapped_name
        super().__init__(*args, **options)


class MirrorManyToManyField(ManyToManyField):
    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        # Django leaves out a `through` that it takes for its own, but not what belongs to it.
        options.pop("through_fields", None)
        return name, path, arguments, options


def make_relation(
    mapper: Mapper[Any],
    key: str,
    column: "Column[Any]",
    reference: ForeignKey,
    described: "Column[Any]",
) -> tuple[str, AnyField]:
    """The field for a column that refers to another table, and what people call it. `described` is
    the column with what is known of it."""
    relationship = relationship_over(mapper, column)
    shown = relationship.key if relationship is not None else key.removesuffix("_id") or key
    unique = is_whole_key(described) or is_unique(described)
    options = {k: v for k, v in options_of(described).items() if k != "unique"}
    # Of a row that several mirrors have, that of its base speaks to the rows that it refers to.
    is_told = not is_inherited(mapper, key)
    kind: Any = MirrorOneToOneField if unique else MirrorForeignKey
    field = kind(
        label_of_table(reference.column.table, column),
        on_delete=fate_of(mapper, column, reference) if is_told else models.DO_NOTHING,
        related_name=related_name_of(relationship) if is_told else "+",
        to_field=_to_field(reference),
        mapped_name=names_of(mapper).attnames[key],
        **options,
    )
    return shown, field


def label_of_table(table: Any, column: "Column[Any]") -> str:
    """The Django model (``app_label.Name``) of a table: a mirror, or one of Django's own."""
    owner = class_of_table(table)
    if owner is not None:
        return label_of_class(owner.class_)
    for model in apps.get_models():
        is_there = table.schema is None and model._meta.db_table == table.name
        if model._meta.managed and is_there:
            return model._meta.label
    raise unsupported(
        column, f"refers to {table.name}, which has no mapped class", "map a class to that table"
    )


@dataclass(frozen=True, slots=True)
class Side:
    """The side of a many-to-many relation that carries the field in Django, by its `name` there.
    `is_inherited`: the base of its class carries the same."""

    key: str
    name: str
    child: type[Any]
    table: Table
    source: "Column[Any]"
    target: "Column[Any]"
    related_name: str
    is_inherited: bool = False


def many_to_many(mapper: Mapper[Any]) -> Iterator[Side]:
    """The many-to-many relations whose field the mirror of `mapper` carries.

    Where both classes have a relationship over the same association table, Django wants one
    field: it goes to the class that the table's first foreign key refers to.
    """
    for relationship in mapper.relationships:
        if relationship.direction is not RelationshipDirection.MANYTOMANY or relationship.viewonly:
            continue
        table = relationship.secondary
        assert isinstance(table, Table)
        sources: list[Any] = [pair[1] for pair in relationship.synchronize_pairs]
        pairs = relationship.secondary_synchronize_pairs or ()
        targets: list[Any] = [pair[1] for pair in pairs]
        if len(sources) != 1 or len(targets) != 1:
            continue
        if _reverse_of(relationship) and next(iter(table.c)) is not sources[0]:
            continue
        child = relationship.mapper.class_
        name = names_of(mapper).relations[relationship.key]
        inherited = is_inherited(mapper, relationship.key)
        related_name = "+" if inherited else related_name_of(relationship)
        ends = (sources[0], targets[0])
        yield Side(relationship.key, name, child, table, *ends, related_name, inherited)


def related_name_of(relationship: "RelationshipProperty[Any] | None") -> str:
    """The name in Django of the other side of a relationship; ``+`` if it has none."""
    reverse = None if relationship is None else _reverse_of(relationship)
    return "+" if reverse is None else names_of(reverse.parent).relations[reverse.key]


def _reverse_of(
    relationship: "RelationshipProperty[Any]",
) -> "RelationshipProperty[Any] | None":
    reverse: Iterable[Any] = relationship._reverse_property  # noqa: SLF001  # pinned by a test
    return next(iter(reverse), None)


def _to_field(reference: ForeignKey) -> str | None:
    """The Django name of the referred column, which need not be the primary key."""
    target = reference.column
    if is_whole_key(target):
        return None
    owner = class_of_table(target.table)
    if owner is None:
        return target.name
    return names_of(owner).fields[owner.get_property_by_column(target).key]


def mapper_of(mapped: type[Any]) -> Mapper[Any]:
    """The mapper of a mapped class."""
    mapper: Mapper[Any] = inspect(mapped)
    return mapper
