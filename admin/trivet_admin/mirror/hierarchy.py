"""Classes that inherit from one another: which column, which class and which kind a row has.

SQLAlchemy has three ways. A subclass has a table of its own beside that of its base (joined), no
table (single), or one that has everything (concrete). In the first two a column of the base's
table, or an expression, says of which class a row is: the discriminator.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from sqlalchemy import Table, inspect, select
from sqlalchemy.orm import ColumnProperty, Mapper

from trivet.identity import User
from trivet.models.mapped import our_mappers
from trivet_admin.backends.reader import open_reader
from trivet_admin.backends.rows import batched
from trivet_admin.mirror.shape import Shape, find_shape, shape_of


def inherits(mapper: Mapper[Any]) -> bool:
    """Whether the rows of `mapper` are rows of the class that it inherits from too."""
    return mapper.inherits is not None and not mapper.concrete


def is_inherited(mapper: Mapper[Any], key: str) -> bool:
    """Whether the attribute `key` comes from the class that `mapper` inherits from."""
    return inherits(mapper) and mapper.inherits is not None and key in mapper.inherits.attrs


def column_of(mapper: Mapper[Any], attribute: "ColumnProperty[Any]") -> Any:
    """The column that describes an attribute. The key of a joined subclass is several columns, one
    in each table; that of the first table is the one that makes values."""
    keys = (each for each in attribute.columns if each in mapper.primary_key)
    return next(keys, attribute.columns[-1])


def columns_of(mapper: Mapper[Any]) -> Iterator[tuple[str, Any]]:
    """The attributes of `mapper` that the database stores, each with its column."""
    stored = mapper.persist_selectable.c
    for attribute in mapper.column_attrs:
        column = column_of(mapper, attribute)
        if stored.contains_column(column) and not _is_link(mapper, attribute):
            yield attribute.key, column


def _is_link(mapper: Mapper[Any], attribute: "ColumnProperty[Any]") -> bool:
    """Whether an attribute is the key of a joined subclass under a name of its own: SQLAlchemy
    gives it the value of the base's."""
    (column, *others) = attribute.columns
    return (
        not others
        and inherits(mapper)
        and column.primary_key
        and column not in mapper.primary_key
        and any(key.column.table in mapper.tables for key in column.foreign_keys)
    )


def class_of_table(table: Any) -> Mapper[Any] | None:
    """The class whose mirror has the rows of `table`: of several the one that has them all. None
    for a table of Django's, the users' among them."""
    found = [each for each in our_mappers() if each.local_table is table]
    found = [each for each in found if each.class_ is not User]
    return next((each for each in found if each.inherits not in found), None)


def discriminator_of(mapper: Mapper[Any]) -> str | None:
    """The attribute that says of which class a row is; None if there is none, or if it is an
    expression."""
    wanted = mapper.polymorphic_on
    stored = columns_of(mapper)
    return next((key for key, column in stored if wanted is not None and column is wanted), None)


def has_kinds(mapper: Mapper[Any]) -> bool:
    """Whether rows of `mapper` can be of several classes."""
    return mapper.polymorphic_on is not None and len(kinds_of(mapper)) > 1


def kinds_of(mapper: Mapper[Any]) -> Mapping[Any, Mapper[Any]]:
    """The classes that rows of `mapper` can have, by what the discriminator says. The rows of a
    concrete subclass lie elsewhere, unless this class is mapped to all of them."""
    known: Mapping[Any, Mapper[Any]] = mapper.polymorphic_map
    is_table = isinstance(mapper.local_table, Table)
    return {
        value: each
        for value, each in known.items()
        if each is mapper or (each.isa(mapper) and not (is_table and each.concrete))
    }


def why_not_added(mapper: Mapper[Any]) -> str | None:
    """Why there can be no row of this very class, as the end of a sentence; None if there can."""
    if mapper.polymorphic_abstract:
        return "it is a polymorphic_abstract class: add a row of one of its subclasses"
    if discriminator_of(mapper) is not None and mapper.polymorphic_identity is None:
        return "it has no polymorphic_identity: add a row of one of its subclasses"
    return None


def values_of_kind(rows: Sequence[Any]) -> list[Any]:
    """What the discriminator says of `rows`, all of one mirror, in their order."""
    shape = shape_of(type(rows[0]))
    if shape.discriminator is not None:
        name = next(n for n, key in shape.keys.items() if key == shape.discriminator)
        return [getattr(row, name) for row in rows]
    says: Any = inspect(shape.mapped).polymorphic_on
    found: dict[Any, Any] = {}
    with open_reader() as session:
        for keys in batched([row.pk for row in rows]):
            query = select(says, *shape.key_columns)
            for value, *key in session.execute(query.where(shape.with_keys(keys))):
                found[shape.identity_of(key)] = value
    return [found.get(row.pk) for row in rows]


def other_tables_of(model: Any) -> set[str]:
    """The names of the tables under which the audit trail may know a row of a mirror, besides its
    own: those of the classes above and below, because a row is noted as one of its own class."""
    shape = find_shape(model)
    if not isinstance(shape, Shape):
        return set()
    mapper: Mapper[Any] = inspect(shape.mapped)
    above = takewhile(lambda each: each is mapper or not mapper.concrete, mapper.iterate_to_root())
    below = (each for each in mapper.self_and_descendants if not each.concrete)
    tables = {each.local_table for each in (*above, *below)} - {mapper.local_table}
    return {str(each.name) for each in tables if isinstance(each, Table)}
