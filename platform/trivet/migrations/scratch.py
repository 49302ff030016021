"""The tables that the models ask for, built for a moment, so that their database can be asked how
it would keep them.

On PostgreSQL they are temporary tables in a transaction that is rolled back; nobody else sees
them, and no table that is there is locked. A type that stands in a schema has another name as long.
On SQLite they stand in a database in memory. A table that cannot be built so, because it needs a
right or a function that is missing, is not compared.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Connection,
    Dialect,
    MetaData,
    Table,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.dialects.postgresql import DOMAIN, ENUM
from sqlalchemy.exc import CompileError, SQLAlchemyError
from sqlalchemy.schema import CreateIndex, CreateSchema, CreateTable
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.migrations.constraint_names import name_constraint
from trivet.migrations.extensions import extension_sql, extensions_of
from trivet.migrations.shapes import Members, Shape, read_shape
from trivet.models.searches import find_search, index_on

_TEMPORARY = "pg_temp"
_Named = ENUM | DOMAIN


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK of a model: the name that it will have, and its condition."""

    name: str
    condition: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table as its models want it.

    Attributes:
        shape: The words of the database for it. CHECKs have other names there.
        checks: The CHECKs of the models, by their names in `shape`.
        again: Other words of the database for what is in `shape`: PostgreSQL changes some of its
            own, where they are given to it.
        fault: Why the table could not be built; empty if it could.
    """

    shape: Shape
    checks: dict[str, Check]
    again: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def build(connection: Connection, table: Table) -> Wanted:
    """Build `table` for a moment, and ask how the database keeps it."""
    try:
        copy = _copy_of(table)
        checks = _named_checks(copy, connection.dialect)
        with _place(connection, copy) as place:
            members = _create(place, copy)
            if place.dialect.name == "sqlite":
                return Wanted(read_shape(place, copy, None), checks)
            shape = read_shape(place, copy, _TEMPORARY)
            shape = replace(shape, enums={**shape.enums, **members})
            return Wanted(shape, checks, _say_again(place, copy, shape))
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        return Wanted(Shape({}), {}, fault=said)


@contextmanager
def _place(connection: Connection, copy: Table) -> Iterator[Connection]:
    if connection.dialect.name == "sqlite":
        engine = create_engine("sqlite://")
        with engine.connect() as memory:
            yield memory
        engine.dispose()
        return
    savepoint = connection.begin_nested()
    try:
        for each in sorted(extensions_of(chain(copy.columns, copy.indexes, copy.constraints))):
            connection.execute(text(extension_sql(each)))
        # What is made without a schema is temporary then, its enumerations too.
        connection.execute(
            text("SELECT set_config('search_path', :s || current_setting('search_path'), true)"),
            {"s": f"{_TEMPORARY}, "},
        )
        yield connection
    finally:
        savepoint.rollback()


def _copy_of(table: Table) -> Table:
    metadata = MetaData(naming_convention=table.metadata.naming_convention)
    copy = table.to_metadata(metadata, schema=None)  # type: ignore[arg-type]  # it means: without one
    for column in copy.columns:
        # A type with a schema keeps it, because the database says it wherever it says the type.
        column.type = table.columns[column.key].type
    return copy


def _named_checks(copy: Table, dialect: Dialect) -> dict[str, Check]:
    """The CHECKs of a copy, each under a name by which it is found again."""
    candidates = chain(copy.constraints, *(each.constraints for each in copy.columns))
    checks = [each for each in candidates if isinstance(each, CheckConstraint)]
    found = {}
    for number, each in enumerate(checks):
        name_constraint(each, copy)
        # A convention may make the name only now.
        name = dialect.identifier_preparer.format_constraint(each, _alembic_quote=False)
        found[f"check_{number}"] = Check(str(name), _text_of(each, dialect))
        each.name = f"check_{number}"
    return found


def _text_of(check: CheckConstraint, dialect: Dialect) -> str:
    options = {"literal_binds": True, "include_table": False}
    try:
        # Not in the words of the database of the moment, if it can be avoided.
        return str(check.sqltext.compile(compile_kwargs=options))
    except CompileError:
        return str(check.sqltext.compile(dialect=dialect, compile_kwargs=options))


def _create(connection: Connection, copy: Table) -> dict[str, Members]:
    """Create the table; returns the members that it wants of enumerations that stay as they are."""
    members: dict[str, Members] = {}
    # Statement by statement, because listeners on a table are for the real one.
    for number, kind in enumerate(_named_types(copy, connection.dialect)):
        if kind.schema is not None:
            members |= _make_in_schema(connection, kind, f"trivet_aside_{number}")
        else:
            kind.create(connection, checkfirst=False)
    connection.execute(CreateTable(copy, include_foreign_key_constraints=[]))
    search = find_search(copy)
    if search is not None and connection.dialect.name == "postgresql":
        index_on(copy, search.columns)
    for index in copy.indexes:
        options = index.dialect_options.get("postgresql")
        if options is not None:
            options["concurrently"] = False  # no transaction could build it
        connection.execute(CreateIndex(index))
    return members


_TYPE = text("""
SELECT format_type(oid, NULL) AS name, pg_has_role(typowner, 'USAGE') AS is_own,
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder)
           AS members
FROM pg_type t WHERE oid = to_regtype(:name)
""")


def _make_in_schema(connection: Connection, kind: _Named, aside: str) -> dict[str, Members]:
    """Make a type in its schema, as the models have it, until the savepoint ends. One that is
    there stays where nothing is gained, and where somebody else owns it, who alone could rename it.

    Returns:
        The members that the models want of an enumeration that stays, by its name.
    """
    quote = connection.dialect.identifier_preparer.quote
    assert kind.schema is not None
    if not inspect(connection).has_schema(kind.schema):
        connection.execute(CreateSchema(kind.schema))
    name = f"{quote(kind.schema)}.{quote(str(kind.name))}"
    there = connection.execute(_TYPE, {"name": name}).one_or_none()
    wanted = tuple(kind.enums) if isinstance(kind, ENUM) else ()
    if there is not None:
        if isinstance(kind, DOMAIN) or not there.is_own:
            return {there.name: wanted} if wanted else {}
        connection.execute(text(f"ALTER TYPE {name} RENAME TO {aside}"))
    kind.create(connection, checkfirst=False)
    return {}


def _say_again(connection: Connection, copy: Table, shape: Shape) -> dict[str, str]:
    """The words of the database for its own words of CHECKs and indexes, by the first ones."""
    quote = connection.dialect.identifier_preparer.quote_identifier
    table = f"{_TEMPORARY}.{quote(copy.name)}"
    names: dict[str, str] = {}
    for number, said in enumerate([*shape.checks.values(), *shape.indexes.values()]):
        names[f"again_{number}"] = said
        if said.startswith("CHECK"):
            statement = f"ALTER TABLE {table} ADD CONSTRAINT again_{number} {said}"
        else:
            unique = "UNIQUE " if said.startswith("UNIQUE ") else ""
            rest = said.removeprefix("UNIQUE ")
            statement = f"CREATE {unique}INDEX again_{number} ON {table} {rest}"
        connection.exec_driver_sql(statement.replace("%", "%%"))
    if not names:
        return {}
    found = read_shape(connection, copy, _TEMPORARY)
    pairs = [*found.checks.items(), *found.indexes.items()]
    return {said: names[name] for name, said in pairs if name in names}


def _named_types(copy: Table, dialect: Dialect) -> list[_Named]:
    """The enumerations and domains that the columns of a table need, once each."""
    found = {}
    for column in copy.columns:
        for kind in _within(column.type, dialect):
            if kind.name:
                found[kind.schema, kind.name] = kind
    return list(found.values())


def _within(kind: TypeEngine[Any], dialect: Dialect) -> Iterator[_Named]:
    if isinstance(kind, TypeDecorator):
        yield from _within(kind.load_dialect_impl(dialect), dialect)
    elif isinstance(kind, ARRAY):
        yield from _within(kind.item_type, dialect)
    else:
        found = kind.dialect_impl(dialect)
        if isinstance(found, _Named):
            yield found
