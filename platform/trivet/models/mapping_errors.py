"""Mistakes in mapped classes, each in a sentence that says the cure.

SQLAlchemy's own messages are for callers of its functions. These are for authors of a feature's
``models.py``. An error that is not known here keeps SQLAlchemy's first sentence.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import ForeignKey, Table
from sqlalchemy.exc import (
    NoReferencedColumnError,
    NoReferencedTableError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Mapper, configure_mappers
from sqlalchemy.types import TypeEngine

from trivet.errors import ConfigurationError
from trivet.models.labels import find_mapper
from trivet.models.mapped import PLATFORM, every_mapper, our_mappers, our_tables
from trivet.models.owners import tables_of
from trivet.source_files import file_of
from trivet.suggestion import did_you_mean

USERS = "accounts_user"
"""The table of users, which is Django's."""

_NO_KEY = re.compile(r"Mapper\[(\w+)\(.*could not assemble any primary key")
_TWICE = re.compile(r"Table '([^']+)' is already defined")
_NO_TABLE = re.compile(r"Class <class '([\w.]+)'> does not have a __table__ or __tablename__")
_NO_CLASS = re.compile(r"initializing mapper Mapper\[(\w+)\(.*expression '([^']+)' failed to")
_ALIKE = re.compile(r'Multiple classes found for path "([\w.]+)"')
_NO_TYPE = re.compile(
    r"locate SQLAlchemy Core type .* indicated by '(.+)' inside .* the '(\w+)' attribute"
)
_CLASS = re.compile(r"<class '([\w.]+)'>")
_CONTAINER = re.compile(r"(dict|list)\b")
_NO_MAPPED = re.compile(r'Type annotation for "(\w+)\.(\w+)" can\'t be correctly interpreted')
_BACKGROUND = re.compile(r"\s*\(Background on this error at: .*\)", re.DOTALL)


def explain(error: SQLAlchemyError, path: Path | None = None) -> str:
    """The meaning of `error`, raised by the file at `path`, for the author of the class."""
    text = _BACKGROUND.sub("", str(error))
    if found := _NO_KEY.search(text):
        return (
            f"the class {found[1]} has no primary key, and every mapped class needs one. "
            "Cure: id: Mapped[int] = mapped_column(primary_key=True)."
        )
    if found := _TWICE.search(text):
        return _explain_twice(found[1], path)
    if found := _NO_TABLE.search(text):
        *_, feature, _, name = f".{found[1]}".split(".")
        return f'the class {name} has no table. Cure: __tablename__ = "{feature}_{name.lower()}".'
    if found := _NO_CLASS.search(text):
        known = {mapper.class_.__name__ for mapper in every_mapper()}
        return (
            f"a relationship of {found[1]} names {found[2]}, and no mapped class is called so"
            f"{did_you_mean(found[2], known)}"
        )
    if found := _ALIKE.search(text):
        return _explain_alike(found[1])
    if found := _NO_TYPE.search(text):
        return _explain_type(_CLASS.sub(r"\1", found[1]), found[2])
    if found := _NO_MAPPED.search(text):
        return (
            f"the annotation of {found[2]} in {found[1]} is no column. Cure: write "
            f"{found[2]}: Mapped[…]; what is none is a ClassVar[…]."
        )
    first = text.strip().splitlines()[0]
    return first if first.endswith(".") else f"{first}."


def is_imported_twice(error: SQLAlchemyError, path: Path) -> bool:
    """Whether the cause of `error` is one file that is imported under two names."""
    found = _TWICE.search(str(error))
    owner = _owner(found[1]) if found else None
    return owner is not None and is_same_file(owner.class_.__module__, path)


def _explain_alike(path: str) -> str:
    name = path.rpartition(".")[2]
    alike = [each.class_ for each in every_mapper() if each.class_.__name__ == name]
    told = sorted(f"{each.__module__}.{name}" for each in alike)
    return (
        f"a relationship names {path} as a text, and several mapped classes are called so: "
        f"{', '.join(told)}. Cure: name the class itself, as in relationship({name})."
    )


def _explain_type(annotation: str, attribute: str) -> str:
    """No column type stands for an annotation. JSON has one only for what may hold anything."""
    container = _CONTAINER.match(annotation)
    if container is None:
        cure = f"name one for {attribute}, as in mapped_column(String(80))"
    else:
        anything = {"dict": "dict[str, Any]", "list": "list[Any]"}[container[1]]
        cure = f"write {attribute}: Mapped[{anything}], which stores JSON"
    return f"no column type stands for {annotation}. Cure: {cure}."


def _explain_twice(table: str, path: Path | None) -> str:
    owner = _owner(table)
    defined = _find_table(table)
    if defined is not None and defined.info.get("external"):
        return f"the table {table} is Django's: give the class another __tablename__."
    if owner is None:
        return f"two classes have the table {table}: give one of them another __tablename__."
    module = owner.class_.__module__
    if path is not None and is_same_file(module, path):
        return (
            f"{path.name} is imported under two names, and the first was {module}, so that its "
            f"classes would exist twice. Cure: import it as {module} everywhere; TRIVET_FEATURES "
            "has to name the package as its own files do."
        )
    return (
        f"{owner.class_.__name__} of {module} has the table {table} already: give one of the two "
        "another __tablename__."
    )


def is_same_file(module: str, path: Path) -> bool:
    """Whether the loaded `module` came from the file at `path`."""
    return _path(module) == path


def _path(module: str) -> Path | None:
    origin = getattr(sys.modules.get(module), "__file__", None)
    return Path(origin) if origin else None


def _owner(table: str) -> Mapper[object] | None:
    for mapper in every_mapper():
        if isinstance(mapper.local_table, Table) and mapper.local_table.name == table:
            return mapper
    return None


def require_configured() -> None:
    """Raise ConfigurationError, with class and column, for a foreign key or a relationship to
    something that does not exist, for a type in the place of a column, and for a table that two
    classes make. It is called when all
    classes are loaded."""
    if twice := sorted(_tables_made_twice()):
        raise ConfigurationError("mapping", " ".join(twice))
    if bare := sorted(_bare_types()):
        raise ConfigurationError("mapping", " ".join(bare))
    wrong = [_explain_key(key) for table in our_tables() for key in _dead(table)]
    if wrong:
        raise ConfigurationError("foreign-key", " ".join(sorted(wrong)))
    try:
        configure_mappers()
    except SQLAlchemyError as error:
        raise ConfigurationError("mapping", _capital(explain(error))) from error


def _bare_types() -> Iterator[str]:
    """A sentence for each attribute of a mapped class that is a type of a column and no column,
    which SQLAlchemy passes by; one that a column has is a constant of the author."""
    for mapper in our_mappers():
        used = [column.type for column in mapper.columns]
        cls = mapper.class_
        for name, value in vars(cls).items():
            is_type = isinstance(value, TypeEngine) and not any(value is each for each in used)
            if is_type and not name.startswith("_"):
                written = f"Mapped[{_python_of(value)}] = mapped_column({value!r})"
                yield (
                    f"{file_of(cls.__module__)}: {cls.__name__}.{name} is a type and no column. "
                    f"Cure: {name}: {written}."
                )


def _python_of(kind: TypeEngine[Any]) -> str:
    try:
        return kind.python_type.__name__
    except NotImplementedError:
        return "…"


def _tables_made_twice() -> Iterator[str]:
    """A sentence for each table that stands in two metadata, unless one of them only refers to
    it."""
    djangos = {each for each in tables_of(PLATFORM) if each.info.get("external")}
    made: dict[str, Table] = {}
    for table in sorted(our_tables(), key=lambda each: each not in djangos):
        other = made.setdefault(table.key, table)
        if other is table or table.info.get("external"):
            continue
        if other in djangos:
            cure = "Cure: give it another name, or another schema."
            yield f"{_told(table)} has the table {table.key}, which is Django's. {cure}"
        elif not other.info.get("external"):
            yield (
                f"{_told(other)} and {_told(table)} both have the table {table.key}, in two "
                "metadata. Cure: give one of them another name or schema, or, if it only refers "
                'to the other\'s table, info={"external": True}.'
            )


def _told(table: Table) -> str:
    mapper = find_mapper(table)
    mapped = None if mapper is None else mapper.class_
    return f"the table {table.name}" if mapped is None else f"{mapped.__module__}.{mapped.__name__}"


def _dead(table: Table) -> Iterator[ForeignKey]:
    """The foreign keys of `table` that refer to a column that does not exist."""
    for key in table.foreign_keys:
        try:
            key.column  # noqa: B018  # SQLAlchemy looks for it here
        except (NoReferencedTableError, NoReferencedColumnError):
            yield key


def _explain_key(key: ForeignKey) -> str:
    table, target = key.parent.table, key.target_fullname
    owner = find_mapper(table)
    named = f"{table.name}.{key.parent.name}"
    if owner is not None:
        attribute = owner.get_property_by_column(key.parent).key
        named = f"{file_of(owner.class_.__module__)}: {owner.class_.__name__}.{attribute}"
    name, _, column = target.rpartition(".")
    metadata = key.parent.table.metadata
    found = metadata.tables.get(name)
    if found is not None:
        hint = did_you_mean(column, found.columns.keys())
        return f"{named} refers to {target}, and {name} has no column {column}{hint}"
    if (elsewhere := _find_table(name)) is not None:
        return (
            f"{named} refers to {target} by its name, and {name} stands in another metadata. Cure: "
            f"{_by_column(elsewhere, column)}."
        )
    if "user" in name.lower():
        hint = ". Write ForeignKey(User.id), with User of trivet."
    else:
        hint = did_you_mean(name, metadata.tables)
    return f"{named} refers to {target}, and there is no table {name}{hint}"


def _find_table(name: str) -> Table | None:
    return next((table for table in our_tables() if table.key == name), None)


def _by_column(table: Table, column: str) -> str:
    """Python for a foreign key to a column of `table`, where a name would not be found."""
    mapper = find_mapper(table)
    if table.name == USERS:
        return f"ForeignKey(User.{column}), with User of trivet"
    name = "its table" if mapper is None else f"{mapper.class_.__name__}.__table__"
    return f"ForeignKey({name}.c.{column})"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
