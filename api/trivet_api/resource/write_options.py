"""How a resource writes, as it was declared: what cannot work is refused at the start."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Table, inspect
from sqlalchemy.orm import Mapper

from trivet.data.constraints import columns_of_constraint, name_of
from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource.fields import fields_of
from trivet_api.resource.members import Members, named_members
from trivet_api.resource.schemas import schema

Service = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How rows of a class are written. `write_options` makes it
    and says what is wrong with it.

    Attributes:
        model: The mapped class.
        create_schema: What a client sends for a new row.
        update_schema: What a client sends for a change.
        members: The many-to-many relationships that are lists of keys.
        create: A service in place of ours: ``(db, actor, values) -> row``.
        update: The same for a change: ``(db, actor, key, changes) -> row``. `key` is the value of
            the primary key, or the tuple of several. The row is locked, and compared, before it.
        delete: The same for a deletion: ``(db, actor, key)``.
        unique: The attributes of the constraint by which an upsert knows a row.
        version: Gives what the ETag of a row is made of; None where it has none.
        represent: Gives the JSON of a row as it is answered; None where nobody is answered.
        require_match: Whether a change has to say which version it changes.
    """

    model: type[Any]
    create_schema: type[BaseModel]
    update_schema: type[BaseModel]
    members: Mapping[str, Members] = field(default_factory=dict)
    create: Service | None = None
    update: Service | None = None
    delete: Service | None = None
    unique: tuple[str, ...] = ()
    version: Callable[[Any], object | None] = lambda _row: None
    represent: Callable[[Any], bytes | None] = lambda _row: None
    require_match: bool = False

    @property
    def discriminator(self) -> str | None:
        """The attribute that says of which class a row is, if it is one."""
        return _discriminator_of(self.mapper)

    @property
    def needed(self) -> frozenset[str]:
        """The attributes without which there is no new row."""
        fields = self.create_schema.model_fields.items()
        return frozenset(each.alias or name for name, each in fields if each.is_required())

    @property
    def mapper(self) -> Mapper[Any]:
        """The mapper of the class."""
        return _mapper_of(self.model)  # type: ignore[arg-type]  # a class is hashable


@cache
def _mapper_of(model: Any) -> Mapper[Any]:
    found: Mapper[Any] = inspect(model)
    return found


@cache  # classes stand in source code
def _discriminator_of(mapper: Mapper[Any]) -> str | None:
    columns = mapper.columns.items()
    return next((key for key, column in columns if column is mapper.polymorphic_on), None)


def write_options(
    model: type[Any],
    *,
    exclude: Iterable[str] = (),
    as_text: Iterable[str] = (),
    members: Iterable[str] = (),
    create_schema: type[BaseModel] | None = None,
    update_schema: type[BaseModel] | None = None,
    create: Service | None = None,
    update: Service | None = None,
    delete: Service | None = None,
    upsert: str | None = None,
    version: Callable[[Any], object | None] | None = None,
    represent: Callable[[Any], bytes | None] = lambda _row: None,
    creates: bool = True,
    require_match: bool = False,
) -> WriteOptions:
    """How rows of a mapped class are written.

    Args:
        model: The mapped class.
        exclude: Attributes that clients do not send.
        as_text: Whole numbers that are texts in JSON.
        members: Many-to-many relationships that are lists of keys.
        create_schema: A schema in place of the derived one.
        update_schema: The same for changes.
        create: A service in place of ours.
        update: The same for changes.
        delete: The same for deletions.
        upsert: The name of a unique constraint, or of a unique index over columns. One without a
            name is called as PostgreSQL calls it (``book_isbn_key``).
        version: Gives what the ETag of a row is made of; by default its version counter.
        represent: Gives the JSON of a row as it is answered.
        creates: Whether rows are made at all, so that what a new one needs is asked for.
        require_match: Whether a change has to say which version it changes.

    Raises:
        ConfigurationError: A name is wrong, or a new row needs a value that no client can give.
    """
    exclude, as_text, members = tuple(exclude), tuple(as_text), tuple(members)
    options = {"exclude": exclude, "as_text": as_text, "members": members}
    made = create_schema or schema(model, "create", **options)
    changed = update_schema or schema(model, "update", **options)
    if creates and create is None:
        _require_complete(model, made)
    for given, service in ((made, create), (changed, update)):
        if service is None:
            _require_attributes(model, given, {*members})
    return WriteOptions(
        model=model,
        create_schema=made,
        update_schema=changed,
        members=named_members(model, members),
        create=create,
        update=update,
        delete=delete,
        unique=() if upsert is None else _attributes_of(model, upsert, made),
        version=version or _counter_of(model),
        represent=represent,
        require_match=require_match,
    )


def _names(given: type[BaseModel]) -> set[str]:
    return {each.alias or name for name, each in given.model_fields.items()}


def _require_complete(model: type[Any], made: type[BaseModel]) -> None:
    """Refuse a schema by which no row can be made, because it leaves out what a row needs, and a
    class that has rows of its subclasses alone."""
    mapper: Mapper[Any] = inspect(model)
    if mapper.polymorphic_on is not None and mapper.polymorphic_identity is None:
        raise _fault(
            model,
            "it has no rows of its own, only those of its subclasses. Leave 'create' out, and make "
            "a resource of each subclass.",
        )
    missing = [
        name
        for name, each in fields_of(model).items()
        if not each.has_default and name not in _names(made)
    ]
    if missing:
        raise _fault(
            model,
            f"a new row needs {' and '.join(missing)}, which clients do not send. Give a default, "
            "a service (create=…) or a schema (create_schema=…), or leave 'create' out.",
        )


def _require_attributes(model: type[Any], given: type[BaseModel], members: set[str]) -> None:
    known = {*fields_of(model), *members}
    for name in sorted(_names(given) - known):
        raise _fault(
            model,
            f"{given.__name__}.{name} is no column of {model.__name__}{did_you_mean(name, known)} "
            "A schema with more than these needs a service that knows what to do with it.",
        )


def _attributes_of(model: type[Any], name: str, made: type[BaseModel]) -> tuple[str, ...]:
    """The attributes of the constraint `name`."""
    mapper: Mapper[Any] = inspect(model)
    tables = [each for each in mapper.tables if isinstance(each, Table)]
    columns = next(
        (found for each in tables if _is_unique(each, name) and (found := _columns(each, name))), ()
    )
    if not columns or not all(map(mapper.columns.contains_column, columns)):
        known = [str(name_of(each.table, each)) for table in tables for each in _constraints(table)]
        raise _fault(
            model,
            f"upsert={name!r} names no unique constraint over columns{did_you_mean(name, known)} "
            f"There are {', '.join(sorted(known)) or 'none'}.",
        )
    attributes = tuple(mapper.get_property_by_column(column).key for column in columns)
    for each in attributes:
        if each not in _names(made):
            raise _fault(model, f"upsert={name!r} is over {each}, which clients do not send.")
    return attributes


def _columns(table: Table, name: str) -> Any:
    return columns_of_constraint(table, name)


def _is_unique(table: Table, name: str) -> bool:
    return any(name_of(table, each) == name for each in _constraints(table))


def _constraints(table: Table) -> list[Any]:
    """What holds for all rows: no index over some of them, or over expressions."""
    every: list[Any] = [*table.constraints]
    named = [each for each in every if each.__visit_name__ in _UNIQUE]
    indexes = [
        each
        for each in table.indexes
        if each.unique
        and len(each.columns) == len(each.expressions)
        and not any(each.dialect_options[d].get("where") is not None for d in _DATABASES)
    ]
    return [each for each in (*named, *indexes) if name_of(table, each)]


_UNIQUE = ("unique_constraint", "primary_key_constraint")
_DATABASES = ("postgresql", "sqlite")


def _counter_of(model: type[Any]) -> Callable[[Any], object | None]:
    mapper: Mapper[Any] = inspect(model)
    counter = mapper.version_id_col
    if counter is None:
        return lambda _row: None
    name = mapper.get_property_by_column(counter).key
    return lambda row: getattr(row, name)


def _fault(model: type[Any], sentence: str) -> ConfigurationError:
    return ConfigurationError("resource", f"resource({model.__name__}): {sentence}")
