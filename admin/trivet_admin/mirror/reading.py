"""A mirrored row, as the mapped class's own methods and properties see it.

They were written for a mapped object: they read its attributes by the mapped names, and call
methods that Django's models know nothing of. Django has a mirrored object instead. `Reading` stands
between the two, so that a text, a property, a hybrid or a method says the same in the admin as
everywhere else.
"""

from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet, Sequence
from functools import cached_property
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from sqlalchemy import inspect, select
from sqlalchemy.ext.associationproxy import AssociationProxy
from sqlalchemy.ext.hybrid import hybrid_method, hybrid_property
from sqlalchemy.orm import Mapper, QueryableAttribute

from trivet.errors import Conflict
from trivet.identity import Identity
from trivet_admin.backends.reader import open_reader
from trivet_admin.backends.rows import batched
from trivet_admin.mirror.listed import listed, listed_rows
from trivet_admin.mirror.names import RESERVED, names_of
from trivet_admin.mirror.own_row import find_row
from trivet_admin.mirror.seen_values import is_hidden, load_only_seen, visitor
from trivet_admin.mirror.shape import NOT_SHOWN, Shape, find_shape, shape_of
from trivet_admin.mirror.texts import MISSING, find_own, find_text_method
from trivet_admin.mirror.unreadable import loading


class Reading:
    """Stands for an object of the mapped class whose values are those of `mirrored`."""

    _mirrored: Any
    _mapped: Any

    def __init__(self, mirrored: Any) -> None:
        self.__dict__["_mirrored"] = mirrored
        self.__dict__["_mapped"] = shape_of(type(mirrored)).mapped

    @property  # type: ignore[misc]  # super() and isinstance() ask for it
    def __class__(self) -> Any:
        return self._mapped

    def __getattr__(self, name: str) -> Any:
        if self._is_asked(name):
            return self._ask(name)
        own = find_own(self._mapped, name)
        if own is not MISSING and not isinstance(own, QueryableAttribute):
            return own.__get__(self, self._mapped) if hasattr(own, "__get__") else own
        known = django_attribute(self._mapped, name)
        try:
            return _as_mapped(getattr(self._mirrored, known))
        except ObjectDoesNotExist:  # the other side of one-to-one
            return None

    def show(self, name: str) -> Any:
        """What a page shows by this name. Where SQLAlchemy alone knows it, nobody's code says what
        is read: it is what the visitor sees."""
        value = self._ask(name, visitor()) if self._is_asked(name) else getattr(self, name)
        is_proxy = isinstance(find_own(self._mapped, name), AssociationProxy)
        return listed(value) if is_proxy else listed_rows(value)

    def _is_asked(self, name: str) -> bool:
        own = find_own(self._mapped, name)
        if own is MISSING or not isinstance(own, AssociationProxy | QueryableAttribute):
            return False
        there = getattr(type(self._mirrored), django_attribute(self._mapped, name), None)
        is_djangos = there is not None and not isinstance(there, property)
        return isinstance(own, AssociationProxy) or not is_djangos

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._mirrored, django_attribute(self._mapped, name), value)

    def _ask(self, name: str, actor: Identity | None = None) -> Any:
        """What only SQLAlchemy knows of the row, such as a relation that Django has not; as `actor`
        sees it, if there is one."""
        if actor is not None and is_hidden(self._mapped, name, actor):
            return None
        with open_reader() as session:
            if actor is not None:
                load_only_seen(session, actor)
            try:
                with loading(self._mirrored._meta.db_table):
                    row = find_row(session, self._mapped, self._mirrored.pk)
            except Conflict:  # a value of it cannot be read; the others of a list are shown
                return None
            value: Any = None if row is None else getattr(row, name)
            # A collection of a proxy is read while its session is open.
            is_collection = isinstance(value, MutableMapping | MutableSequence | MutableSet)
            return value.copy() if is_collection else value

    def __str__(self) -> str:
        method = find_text_method(self._mapped)
        return str(self._mirrored if method is None else getattr(self._mapped, method)(self))

    def __repr__(self) -> str:
        return str(self._mapped.__repr__(self))


def _as_mapped(value: Any) -> Any:
    """A related row, or all of them, as the mapped class would have it."""
    if isinstance(value, models.Manager):
        return [_as_mapped(each) for each in value.all()]
    is_mirrored = isinstance(value, models.Model) and isinstance(find_shape(type(value)), Shape)
    return Reading(value) if is_mirrored else value


def django_attribute(mapped: type[Any], name: str) -> str:
    """The name in Django of the mapped attribute `name`."""
    names = names_of(inspect(mapped))
    return names.attnames.get(name) or names.relations.get(name) or name


def text_of(mirrored: Any) -> str:
    """The text of a row, as the mapped class has it; of one that is not shown, its key."""
    if NOT_SHOWN in vars(mirrored):
        return f"{mirrored._meta.verbose_name} {mirrored.pk}"
    return str(Reading(mirrored))


def readings_of(mapped: type[Any]) -> dict[str, Any]:
    """What a mirror has besides fields: the properties, hybrids and methods of the mapped class,
    its column properties, and the relations that Django cannot have. What Django has by the same
    name stays Django's."""
    found: dict[str, Any] = {}
    for cls in reversed(mapped.__mro__[:-1]):
        for name, own in vars(cls).items():
            reading = None if name.startswith("_") or name in RESERVED else _reading(name, own)
            if reading is not None:
                found[name] = reading
    mapper: Mapper[Any] = inspect(mapped)
    known = {*mapper.column_attrs.keys(), *RESERVED}
    for name in {*mapper.all_orm_descriptors.keys()} - known:
        if name not in found and not name.startswith("_"):
            found[name] = _property(name, None, None)
    found.update({name: _Expression(name) for name in expressions_of(mapped)})
    return found


def _reading(name: str, own: Any) -> Any:
    if isinstance(own, property | hybrid_property):
        return _property(name, own, own.fget)
    if isinstance(own, cached_property):
        return _property(name, own, own.func)
    if isinstance(own, hybrid_method):
        return _method(name, own.func)
    if callable(own) and hasattr(own, "__get__") and not isinstance(own, type):
        return _method(name, own)
    return None


def _property(name: str, own: Any, function: Any) -> property:
    """With what the admin asks of the function behind a property: its label, its order."""

    def read(mirrored: Any) -> Any:
        return Reading(mirrored).show(name)

    def write(mirrored: Any, value: Any) -> None:
        own.fset(Reading(mirrored), value)

    read.__dict__.update(getattr(function, "__dict__", {}))
    is_writable = getattr(own, "fset", None) is not None
    return property(read, write if is_writable else None, doc=getattr(own, "__doc__", None))


def _method(name: str, own: Any) -> Any:
    def method(mirrored: Any, *arguments: Any, **options: Any) -> Any:
        return listed_rows(getattr(Reading(mirrored), name)(*arguments, **options))

    method.__name__, method.__doc__ = name, own.__doc__
    method.__dict__.update(getattr(own, "__dict__", {}))
    return method


def expressions_of(mapped: type[Any]) -> Iterator[str]:
    """The column properties of a mapped class that are no columns of its table."""
    mapper: Mapper[Any] = inspect(mapped)
    for attribute in mapper.column_attrs:
        is_stored = getattr(attribute.columns[0], "table", None) is not None
        # A discriminator that is an expression is no attribute of the class.
        if not is_stored and hasattr(mapped, attribute.key):
            yield attribute.key


class _Expression:
    """A column property: SQL that only SQLAlchemy can say. It is asked for when it is read; a list
    asks for all its rows at once (`load_expressions`)."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, mirrored: Any, owner: Any = None) -> Any:
        if mirrored is None:
            return self
        if self.name not in mirrored.__dict__:
            load_expressions([mirrored], [self.name])
        return mirrored.__dict__[self.name]


def load_expressions(rows: Sequence[Any], names: Sequence[str]) -> None:
    """Give `rows`, all of one mirror, the present values of their column properties `names`."""
    if not rows or not names:
        return
    shape = shape_of(type(rows[0]))
    size = len(shape.primary_key)
    wanted = [getattr(shape.mapped, name) for name in names]
    by_key = {row.pk: row for row in rows}
    with open_reader() as session:
        for keys in batched(list(by_key)):
            query = select(*shape.key_columns, *wanted).where(shape.with_keys(keys))
            for found in session.execute(query):
                row = by_key[shape.identity_of(found[:size])]
                row.__dict__.update(zip(names, found[size:], strict=True))
    for row in rows:
        for name in names:
            row.__dict__.setdefault(name, None)  # it is gone meanwhile
