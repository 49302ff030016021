"""The extensions of PostgreSQL that columns, indexes and constraints need.

No catalogue of PostgreSQL says which extension would bring a type that is not there, so those that
people use are named here.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import CITEXT, DOMAIN, ExcludeConstraint
from sqlalchemy.exc import CompileError
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.migrations.conversions import POSTGRESQL

_OF_TYPES = {
    "citext": "citext",
    "cube": "cube",
    "ean13": "isn",
    "geography": "postgis",
    "geometry": "postgis",
    "halfvec": "vector",
    "hstore": "hstore",
    "isbn": "isn",
    "isbn13": "isn",
    "issn": "isn",
    "lquery": "ltree",
    "ltree": "ltree",
    "ltxtquery": "ltree",
    "raster": "postgis_raster",
    "sparsevec": "vector",
    "upc": "isn",
    "vector": "vector",
}
_OF_OPERATORS = {
    "gin__int_ops": "intarray",
    "gin_trgm_ops": "pg_trgm",
    "gist__int_ops": "intarray",
    "gist__intbig_ops": "intarray",
    "gist_trgm_ops": "pg_trgm",
}
"""Which extension has a class of operators."""

_OF_METHODS = {"bloom": "bloom", "hnsw": "vector", "ivfflat": "vector"}
_OF_SCALARS = {"gin": "btree_gin", "gist": "btree_gist"}
"""By the method of an index: which extension lets it stand on single values."""

_SCALARS = (
    Boolean,
    Date,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
_EQUALITY = {"=", "<>"}
_UUID_FUNCTION = "uuid_generate_v"


def extensions_of(things: Iterable[Any]) -> set[str]:
    """The names of the extensions that columns, indexes and constraints need; other things need
    none."""
    found: set[str] = set()
    for each in things:
        if isinstance(each, Column):
            found.update(_of_column(each))
        elif isinstance(each, Index):
            found.update(_of_index(each))
        elif isinstance(each, ExcludeConstraint):
            found.update(_of_exclusion(each))
    return found


def extension_sql(name: str) -> str:
    """The statement that makes an extension, if it is not there. Whoever may not make one may
    still say so about one that is there."""
    return f"CREATE EXTENSION IF NOT EXISTS {POSTGRESQL.identifier_preparer.quote(name)}"


def _of_column(column: "Column[Any]") -> Iterator[str]:
    # A type of an array or with arguments begins with its name: `citext[]`, `vector(3)`.
    name = re.match(r"(?:\w+\.)?(\w*)", _text_of(column.type))
    if name is not None and name[1] in _OF_TYPES:
        yield _OF_TYPES[name[1]]
    default: Any = column.server_default
    if _UUID_FUNCTION in str(getattr(default, "arg", "")):
        yield "uuid-ossp"


def _text_of(kind: TypeEngine[Any]) -> str:
    implementation = _without_decorators(kind)
    if isinstance(implementation, DOMAIN):
        return _text_of(implementation.data_type)
    try:
        return str(implementation.compile(dialect=POSTGRESQL)).lower()
    except CompileError:
        return ""  # of another database, or without the length that it needs


def _without_decorators(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(POSTGRESQL)
    return kind.dialect_impl(POSTGRESQL)


def _of_index(index: Index) -> Iterator[str]:
    options = index.dialect_options["postgresql"]
    method, operators = str(options["using"] or "").lower(), options["ops"]
    if method in _OF_METHODS:
        yield _OF_METHODS[method]
    yield from _of_operators(operators.values())
    plain = [each for each in index.expressions if isinstance(each, Column)]
    if method in _OF_SCALARS and any(
        _is_scalar(each) for each in plain if not {each.key, each.name} & {*operators}
    ):
        yield _OF_SCALARS[method]


def _of_exclusion(constraint: ExcludeConstraint) -> Iterator[str]:
    yield from _of_operators(constraint.ops.values())
    # Any two values are equal or not, and only ranges and shapes may be so in an index of GiST.
    if constraint.using == "gist" and _EQUALITY & {*constraint.operators.values()}:
        yield "btree_gist"


def _of_operators(names: Iterable[str]) -> Iterator[str]:
    for each in names:
        name = re.sub(r"\(.*", "", each).rpartition(".")[2].strip()
        if name in _OF_OPERATORS:
            yield _OF_OPERATORS[name]


def _is_scalar(column: "Column[Any]") -> bool:
    kind = _without_decorators(column.type)
    return isinstance(kind, _SCALARS) and not isinstance(kind, CITEXT)
