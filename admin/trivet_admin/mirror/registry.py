"""Deriving mirrors, each once."""

import re
from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.db import models
from sqlalchemy import Table, UniqueConstraint
from sqlalchemy.orm import Mapper, configure_mappers

from trivet.errors import ConfigurationError
from trivet.models.mapped import our_mappers, require_ours
from trivet_admin.generic import AnyField, ForeignKey, ManyToManyField
from trivet_admin.mirror.columns import (
    is_changing,
    is_computed,
    is_defaulted,
    make_field,
)
from trivet_admin.mirror.examples import annotation_of
from trivet_admin.mirror.labels import app_label_of, label_of_class
from trivet_admin.mirror.model import MirrorModel
from trivet_admin.mirror.relations import (
    MirrorManyToManyField,
    Side,
    make_relation,
    many_to_many,
    mapper_of,
    reference_of,
)
from trivet_admin.mirror.shape import SHAPE, Association, Shape, shape_of

_OPTIONS = (
    "verbose_name",
    "verbose_name_plural",
    "ordering",
    "default_permissions",
    "permissions",
)
"""The options of a mirror in a table's `info`, by the names of Django's ``Meta``."""

_MANAGER = "objects"
"""Where every mirror has its queries. Django makes no model with a field of this name."""

_mirrors: dict[type[Any], type[MirrorModel]] = {}


def mirror(mapped: type[Any]) -> type[MirrorModel]:
    """The Django model of a mapped class, derived at the first call.

    Classes that it refers to are mirrored with it. Raises ConfigurationError, naming class,
    column and cure, for what Django's admin cannot edit.
    """
    if mapped not in _mirrors:
        configure_mappers()
        mapper = mapper_of(mapped)
        require_ours([mapper])
        _Building(mapper).build()
    return _mirrors[mapped]


def mirror_all(packages: Iterable[str]) -> None:
    """Mirror every mapped class of `packages`, so that each has Django's permissions.

    A class that cannot be mirrored is left out. That is an error only when somebody registers
    it, and `mirror` raises it then.
    """
    configure_mappers()
    prefixes = tuple(f"{package}." for package in packages)
    for mapper in our_mappers():
        if f"{mapper.class_.__module__}.".startswith(prefixes):
            try:
                mirror(mapper.class_)
            except ConfigurationError:
                continue


def require_free_names(mapped: type[Any]) -> None:
    """Raise ConfigurationError, naming attribute and cure, if a field of the mirror hides a method
    of Django's that the admin calls: with a column `clean` no form could be saved.

    It is asked for classes in the admin only. Others have a mirror for their permissions, and
    nobody calls its methods.
    """
    model = mirror(mapped)
    for field in model._meta.local_fields:
        if hasattr(MirrorModel, field.name):
            key = shape_of(model).key_of(field)
            raise clash(mapped, key, mapper_of(mapped).columns[key])


def clash(mapped: type[Any], key: str, column: Any) -> ConfigurationError:
    """The error for an attribute whose name Django's models use themselves."""
    return ConfigurationError(
        "unsupported-column",
        f"The admin cannot show {mapped.__name__}: its attribute {key} would take the place of "
        "what Django's models call so. Cure: rename the attribute and keep the column, "
        f"{mapped.__name__.lower()}_{key}: Mapped[…] = mapped_column({column.name!r}, …).",
    )


class _Building:
    """One mirror on its way."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self.mapped = mapper.class_
        self.table = _single_table(mapper)
        self.keys: dict[str, str] = {}
        self.fields: dict[str, AnyField] = {}
        self.django_names: dict[str, str] = {}

    def build(self) -> None:
        label = app_label_of(self.mapped)
        version = self._version()
        for attribute in self.mapper.column_attrs:
            column = attribute.columns[0]
            if len(attribute.columns) == 1 and getattr(column, "table", None) is self.table:
                self._add_column(attribute.key, column, is_version=attribute.key == version)
        shape = Shape(
            self.mapped,
            keys=self.keys,
            primary_key=self.mapper.get_property_by_column(self.table.primary_key.columns[0]).key,
            version=version,
            computed=self._keys_where(is_computed),
            changing=self._keys_where(is_changing),
            defaulted=self._keys_where(is_defaulted),
        )
        sides = list(many_to_many(self.mapper))
        for side in sides:
            self.fields[side.key] = _many_to_many_field(label, self.mapped, side)
        model = self._create_model(label, shape)
        _mirrors[self.mapped] = model
        self._mirror_neighbours(sides)
        for side in sides:
            _create_through(label, self.mapped, side)

    def _add_column(self, key: str, column: Any, *, is_version: bool) -> None:
        reference = reference_of(column)
        if reference is not None:
            name, field = make_relation(self.mapper, key, column, reference)
        else:
            annotation = annotation_of(self.mapped, key)
            field = make_field(column, annotation=annotation, is_version=is_version)
            name = _django_name(key)
        if "__" in name:
            raise ConfigurationError(
                "unsupported-column",
                f"The admin cannot show {self.mapped.__name__}: its attribute {key} has two "
                "underscores, which Django reads as a path. Cure: rename the attribute and keep "
                f"the column, mapped_column({column.name!r}, …).",
            )
        if name == _MANAGER:
            raise clash(self.mapped, key, column)
        field.name = name
        self.fields[name] = field
        self.django_names[key] = name
        self.keys[field.get_attname()] = key

    def _version(self) -> str | None:
        column = self.mapper.version_id_col
        return None if column is None else self.mapper.get_property_by_column(column).key

    def _keys_where(self, condition: Any) -> frozenset[str]:
        columns = ((a.key, a.columns[0]) for a in self.mapper.column_attrs)
        return frozenset(k for k, c in columns if k in self.django_names and condition(c))

    def _create_model(self, label: str, shape: Shape) -> type[MirrorModel]:
        attributes: dict[str, Any] = {
            **_plain_properties(self.mapped),
            **self.fields,
            SHAPE: shape,
            "__module__": self.mapped.__module__,
            "__doc__": self.mapped.__doc__,
            "Meta": self._meta(label),
        }
        if "__str__" in {name for cls in self.mapped.__mro__[:-1] for name in vars(cls)}:
            attributes["__str__"] = self.mapped.__str__
        return type(self.mapped.__name__, (MirrorModel,), attributes)

    def _meta(self, label: str) -> type[Any]:
        options: dict[str, Any] = {
            "app_label": label,
            "db_table": self.table.name,
            "managed": False,
            "constraints": self._constraints(),
        }
        for option in _OPTIONS:
            if option in self.table.info:
                options[option] = self.table.info[option]
        options.setdefault("verbose_name", _in_words(self.mapped.__name__))
        return type("Meta", (), options)

    def _constraints(self) -> list[models.BaseConstraint]:
        """Uniqueness over several columns, which a form can then explain before it is tried."""
        found = []
        for constraint in self.table.constraints:
            if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
                keys = [self.mapper.get_property_by_column(c).key for c in constraint.columns]
                fields = [self.django_names[key] for key in keys]
                name = str(constraint.name or f"uq_{'_'.join(fields)}")
                found.append(models.UniqueConstraint(fields=fields, name=name))
        return sorted(found, key=lambda constraint: constraint.name)

    def _mirror_neighbours(self, sides: list[Side]) -> None:
        """The classes that this one refers to, by the names that Django resolves later."""
        for attribute in self.mapper.column_attrs:
            for key in attribute.columns[0].foreign_keys:
                for mapper in our_mappers():
                    if mapper.local_table is key.column.table and mapper.inherits is None:
                        mirror(mapper.class_)
        for side in sides:
            mirror(side.child)


def _single_table(mapper: Mapper[Any]) -> Table:
    name = mapper.class_.__name__
    table = mapper.local_table
    if mapper.inherits is not None or not isinstance(table, Table):
        raise ConfigurationError(
            "unsupported-model",
            f"The admin cannot show {name}: it is not one class on one table. Cure: register the "
            "class that it inherits from, or map it to a table of its own.",
        )
    if len(table.primary_key.columns) != 1:
        columns = ", ".join(column.name for column in table.primary_key.columns)
        raise ConfigurationError(
            "unsupported-model",
            f"The admin cannot show {name}: its primary key has several columns ({columns}). Cure: "
            "give it a key of one column, and keep these together by a UniqueConstraint.",
        )
    return table


def _in_words(name: str) -> str:
    """A class's name in words, its abbreviations kept: API key, not api key."""
    words = re.findall(r"[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+", name)
    return " ".join(word if word.isupper() else word.lower() for word in words)


def _django_name(key: str) -> str:
    """Django's names may not end in an underscore (``class_``)."""
    return key.rstrip("_")


def _plain_properties(mapped: type[Any]) -> dict[str, property]:
    """The properties of the mapped class: they read columns, which the mirror has too."""
    return {
        name: value
        for cls in reversed(mapped.__mro__)
        for name, value in vars(cls).items()
        if isinstance(value, property) and not name.startswith("_")
    }


def _many_to_many_field(label: str, mapped: type[Any], side: Side) -> ManyToManyField:
    source, target = _ends(mapped, side)
    return MirrorManyToManyField(
        label_of_class(side.child),
        through=f"{label}.{_through_name(mapped, side)}",
        through_fields=(source, target),
        related_name=side.related_name,
        blank=True,
    )


def _create_through(label: str, mapped: type[Any], side: Side) -> None:
    """The mirror of an association table, marked as one that Django made itself: the admin
    shows a many-to-many field only then."""
    source, target = _ends(mapped, side)
    name = _through_name(mapped, side)
    meta = {
        "app_label": label,
        "db_table": side.table.name,
        "managed": False,
        "auto_created": _mirrors[mapped],
        "apps": apps,
    }
    attributes: dict[str, Any] = {
        "__module__": mapped.__module__,
        "Meta": type("Meta", (), meta),
        SHAPE: Association(mapped, side.child, side.key, source, target),
        "pk": models.CompositePrimaryKey(source, target),
        source: _end(_mirrors[mapped], side.source.name),
        target: _end(_mirrors[side.child], side.target.name),
    }
    type(name, (models.Model,), attributes)


def _end(model: type[MirrorModel], column: str) -> ForeignKey:
    return models.ForeignKey(model, models.CASCADE, related_name="+", db_column=column)


def _ends(mapped: type[Any], side: Side) -> tuple[str, str]:
    source, target = mapped.__name__.lower(), side.child.__name__.lower()
    return (source, target) if source != target else (f"from_{source}", f"to_{target}")


def _through_name(mapped: type[Any], side: Side) -> str:
    return f"{mapped.__name__}_{side.key}"
