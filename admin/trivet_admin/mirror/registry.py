"""Deriving mirrors, each once."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapper, configure_mappers

from trivet.data.fitting.examples import annotation_of
from trivet.errors import ConfigurationError
from trivet.identity import User
from trivet.models.labels import in_words
from trivet.models.mapped import PLATFORM, our_mappers, require_ours
from trivet.models.nouns import plural_of
from trivet.models.owners import owner_of
from trivet.models.pydantic_fields import find_pydantic_field
from trivet.models.row_keys import key_text
from trivet.models.views import find_reading
from trivet_admin.generic import AnyField, ForeignKey, ManyToManyField
from trivet_admin.mirror.columns import (
    is_changing,
    is_computed,
    is_defaulted,
    make_field,
    read_column,
)
from trivet_admin.mirror.hierarchy import class_of_table, columns_of, discriminator_of
from trivet_admin.mirror.keys import KeyField
from trivet_admin.mirror.labels import app_label_of, class_name_of, db_table_of, label_of_class
from trivet_admin.mirror.model import MirrorModel
from trivet_admin.mirror.names import RESERVED, Names, names_of, reference_of, words_of
from trivet_admin.mirror.reading import readings_of, text_of
from trivet_admin.mirror.relations import (
    MirrorManyToManyField,
    Side,
    make_relation,
    many_to_many,
    mapper_of,
)
from trivet_admin.mirror.row_references import row_references
from trivet_admin.mirror.shape import SHAPE, Association, Shape
from trivet_admin.mirror.sources import is_plain, labels_of, options_of_table, source_of
from trivet_admin.mirror.texts import has_text

_mirrors: dict[type[Any], type[MirrorModel]] = {}


def mirror(mapped: type[Any]) -> type[MirrorModel]:
    """The Django model of a mapped class, derived at the first call.

    Classes that it refers to are mirrored with it, all or none. Raises ConfigurationError, naming
    class, column and cure, for what Django's admin cannot edit.
    """
    if mapped is User:
        raise ConfigurationError(
            "unsupported-model",
            "User is Django's own model, and the admin has its page: a class that refers to it "
            "needs no more.",
        )
    if mapped not in _mirrors:
        configure_mappers()
        mapper = mapper_of(mapped)
        require_ours([mapper])
        planned = _plan(mapper)
        for building in planned:
            building.create()
        for building in planned:
            building.create_links()
    return _mirrors[mapped]


def _plan(mapper: Mapper[Any]) -> list["_Building"]:
    """What has to be built for `mapper`: itself, and every class that it leads to and that has no
    mirror yet. Nothing is known to Django before all of them are found to be possible."""
    planned = {mapper: _Building(mapper)}
    ways = {mapper: f"The admin cannot show {mapper.class_.__name__}: its"}
    waiting = [planned[mapper]]
    while waiting:
        building = waiting.pop()
        for neighbour, attribute in building.neighbours():
            if neighbour.class_ in _mirrors or neighbour in planned:
                continue
            way = f"{ways[building.mapper]} {attribute} refers to {neighbour.class_.__name__}"
            planned[neighbour] = _neighbour(neighbour, way)
            ways[neighbour] = f"{way}, and its"
            waiting.append(planned[neighbour])
    return list(planned.values())


def _neighbour(mapper: Mapper[Any], way: str) -> "_Building":
    try:
        return _Building(mapper)
    except ConfigurationError as error:
        raise ConfigurationError(error.code, f"{way}. {error.detail}") from error


def mirror_all(packages: Iterable[str]) -> None:
    """Mirror every mapped class of `packages`, so that each has Django's permissions.

    A class that cannot be mirrored is left out. That is an error only when somebody registers
    it, and `mirror` raises it then.
    """
    configure_mappers()
    prefixes = tuple(f"{package}." for package in packages)
    for mapper in our_mappers():
        is_inside = f"{mapper.class_.__module__}.".startswith(prefixes)
        if is_inside or owner_of(mapper) not in (None, PLATFORM):
            try:
                mirror(mapper.class_)
            except ConfigurationError:
                continue


class _Building:
    """One mirror on its way. To make one of these asks everything that may be refused."""

    def __init__(self, mapper: Mapper[Any]) -> None:
        self.mapper = mapper
        self.mapped = mapper.class_
        self.columns = dict(columns_of(mapper))
        self.discriminator = discriminator_of(mapper)
        self.only_read = find_reading(mapper)
        self.label = app_label_of(self.mapped)
        self.names: Names = names_of(mapper)
        self.keys: dict[str, str] = {}
        self.fields: dict[str, AnyField] = {}
        self.version = self._version()
        self._labels = {} if is_plain(mapper) else labels_of(self.columns.items())
        self._db_table = self._find_table()
        for key, column in self.columns.items():
            self._add_column(key, column)
        for key, row_reference in row_references(mapper):
            self._add_field(self.names.relations[key], key, row_reference)
        self.sides = list(many_to_many(mapper))
        for side in self.sides:
            self._add_side(side)

    def create(self) -> None:
        """Make the model, which makes it known to Django."""
        shape = Shape(
            self.mapped,
            keys=self.keys,
            primary_key=tuple(self._primary_key()),
            version=self.version,
            computed=self._keys_where(is_computed),
            changing=self._keys_where(is_changing),
            defaulted=self._keys_where(is_defaulted),
            given=self.names.given,
            discriminator=self.discriminator,
            identity=self.mapper.polymorphic_identity,
            only_read=self.only_read,
        )
        _mirrors[self.mapped] = self._create_model(shape)

    def create_links(self) -> None:
        """Make the models of the association tables, once both ends are there."""
        for side in self.sides:
            _create_through(self.label, self.mapped, side)

    def neighbours(self) -> Iterator[tuple[Mapper[Any], str]]:
        """The classes that this one refers to, each with the attribute that does."""
        for column in self.columns.values():
            for key in column.foreign_keys:
                owner = class_of_table(key.column.table)
                if owner is not None:
                    yield owner, f"column {column.name}"
        for side in self.sides:
            if side.child is not User:
                yield mapper_of(side.child), f"relationship {side.key}"

    def _add_column(self, key: str, column: Any) -> None:
        name = self.names.fields[key]
        reference = reference_of(column)
        described = column if self.only_read is None else read_column(self.mapper, column)
        if reference is not None:
            shown, field = make_relation(self.mapper, key, column, reference, described)
        else:
            annotation = annotation_of(self.mapped, key)
            field = make_field(described, annotation=annotation, is_version=key == self.version)
            shown = key
        field.name = name
        said = find_pydantic_field(self.mapped, key)
        if said is not None and said.description and not field.help_text:
            field.help_text = said.description
        if key in self._labels:
            field.db_column = self._labels[key]
        if key == self.discriminator:
            field.editable, field.blank = False, True  # SQLAlchemy sets it
        self._add_field(name, shown, field)
        self.keys[field.get_attname()] = key

    def _add_side(self, side: Side) -> None:
        field = _many_to_many_field(self.label, self.mapped, side)
        self._add_field(side.name, side.key, field)

    def _add_field(self, name: str, shown: str, field: AnyField) -> None:
        """A field whose name Django has taken from another attribute is still called `shown`."""
        label: Any = field.verbose_name  # None as long as Django has made none of the name
        if name != shown and label is None:
            field.verbose_name = words_of(shown)
        self.fields[name] = field

    def _version(self) -> str | None:
        column = self.mapper.version_id_col
        if column is None or self.only_read is not None:
            return None
        return self.mapper.get_property_by_column(column).key

    def _find_table(self) -> str:
        if is_plain(self.mapper):
            table: Any = self.mapper.local_table
            return db_table_of(table, self.mapped)
        labels = self._labels
        return source_of(self.mapper, {labels[key]: each for key, each in self.columns.items()})

    def _primary_key(self) -> Iterator[str]:
        return (self.mapper.get_property_by_column(c).key for c in self.mapper.primary_key)

    def _keys_where(self, condition: Any) -> frozenset[str]:
        if self.only_read is not None:
            return frozenset()  # nobody fills any
        return frozenset(key for key, column in self.columns.items() if condition(column))

    def _create_model(self, shape: Shape) -> type[MirrorModel]:
        attributes: dict[str, Any] = {
            **readings_of(self.mapped),
            **self.fields,
            SHAPE: shape,
            "__module__": self.mapped.__module__,
            "__doc__": self.mapped.__doc__,
            "Meta": self._meta(),
        }
        if has_text(self.mapped):
            attributes["__str__"] = text_of
        if len(shape.primary_key) > 1:
            attributes["pk"] = KeyField(*(self.names.fields[key] for key in shape.primary_key))
        return type(class_name_of(self.mapped), (MirrorModel,), attributes)

    def _meta(self) -> type[Any]:
        options: dict[str, Any] = {
            "app_label": self.label,
            "db_table": self._db_table,
            "managed": False,
            "constraints": self._constraints(),
        }
        options |= options_of_table(self.mapper)
        if self.only_read is not None:
            options["default_permissions"] = ("view",)
        noun = options.setdefault("verbose_name", in_words(class_name_of(self.mapped)))
        if isinstance(noun, str):  # of words that wait for a language Django makes its own
            options.setdefault("verbose_name_plural", plural_of(noun))
        return type("Meta", (), options)

    def _constraints(self) -> list[models.BaseConstraint]:
        """Uniqueness over several columns, which a form can then explain before it is tried.

        Django wants each name once for all models, where a database wants it once for a table.
        """
        together = set()
        tables: Any = self.mapper.tables if self.only_read is None else ()
        for constraint in (each for table in tables for each in table.constraints):
            if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
                if not all(map(self.mapper.columns.contains_column, constraint.columns)):
                    continue  # of another class in the table
                keys = [self.mapper.get_property_by_column(c).key for c in constraint.columns]
                together.add(tuple(self.names.fields[key] for key in keys))
        owner = f"{self.label}_{class_name_of(self.mapped)}"
        return [
            models.UniqueConstraint(fields=fields, name=f"{owner}_{'_'.join(fields)}")
            for fields in sorted(together)
        ]


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
    ends = [_model_of(each)._meta.verbose_name for each in (mapped, side.child)]
    meta = {
        "app_label": label,
        "db_table": db_table_of(side.table, mapped),
        "verbose_name": f"{ends[0]}-{ends[1]} relationship",
        "managed": False,
        "auto_created": _mirrors[mapped],
        "apps": apps,
    }
    attributes: dict[str, Any] = {
        "__module__": mapped.__module__,
        "Meta": type("Meta", (), meta),
        SHAPE: Association(mapped, side.child, side.key, source, target),
        "__str__": _text_of_link,
        "pk": models.CompositePrimaryKey(source, target),
        source: _end(_mirrors[mapped], side.source.name),
        target: _end(
            _model_of(side.child),
            side.target.name,
            models.DO_NOTHING if side.is_inherited else models.CASCADE,
        ),
    }
    type(name, (models.Model,), attributes)


def _model_of(mapped: type[Any]) -> type[models.Model]:
    """The mirror of `mapped`, or Django's own model of a user."""
    return get_user_model() if mapped is User else _mirrors[mapped]


def _text_of_link(link: models.Model) -> str:
    return key_text(link.pk)


def _end(model: type[models.Model], column: str, on_delete: Any = models.CASCADE) -> ForeignKey:
    return models.ForeignKey(model, on_delete, related_name="+", db_column=column)


def _ends(mapped: type[Any], side: Side) -> tuple[str, str]:
    source, target = class_name_of(mapped).lower(), class_name_of(side.child).lower()
    is_free = source != target and RESERVED.isdisjoint((source, target))
    return (source, target) if is_free else (f"from_{source}", f"to_{target}")


def _through_name(mapped: type[Any], side: Side) -> str:
    return f"{class_name_of(mapped)}_{side.name}"
