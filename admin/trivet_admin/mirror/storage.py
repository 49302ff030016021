"""What a column's SQLAlchemy type does with a value on the database of a connection.

Django's driver gives and takes raw values. SQLAlchemy's types turn them into the values of the
mapped class and back by their processors: bind and result, and the SQL that some put around a
column or a parameter. A field that asks the same processors is right by construction, for types
that nobody here has heard of too.

Two drivers' habits are undone first. Django has psycopg hand out ``jsonb``, ``inet`` and ``cidr``
as text, which SQLAlchemy does not expect; and it has naive ranges written as aware ones.
"""

import ipaddress
import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import ARRAY, JSON, bindparam, literal_column
from sqlalchemy.dialects.postgresql import CIDR, INET, JSONB
from sqlalchemy.dialects.postgresql.ranges import AbstractMultiRange, AbstractSingleRange
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.data.fitting import fit_of
from trivet_admin.backends.shared_connection import dialect_of

_PARAMETER, _COLUMN = "trivet_parameter", "trivet_column"
_OIDS = {Decimal: 1700, float: 701, int: 20}
"""PostgreSQL's numbers of the types that SQLAlchemy tells decimals apart by, by what the driver
made of them (``pg_type.dat``)."""


@cache  # types stand in source code
def storage_of(kind: TypeEngine[Any], vendor: str) -> "Storage":
    """The storage of a type on the databases of Django's `vendor`."""
    return Storage(kind, dialect_of(vendor))


class Storage:
    """One type on one kind of database.

    `outer` is the type as this database has it, its variant resolved, and `native` the same
    without its decorators; `declared` is that as its author wrote it. `placeholder` is the SQL
    of a parameter, with ``%s`` for its value. `fit` gives the form in which a value is read back,
    if anything is known of it.

    Raises SQLAlchemy's errors for a type that this database does not have.
    """

    def __init__(self, kind: TypeEngine[Any], dialect: Dialect) -> None:
        self.kind = kind
        self.dialect = dialect
        self.column_type = kind.compile(dialect=dialect)
        self.outer = kind.dialect_impl(dialect)
        self.native: TypeEngine[Any] = self.outer
        while isinstance(self.native, TypeDecorator):
            self.native = self.native.impl_instance
        self.declared = _declared(kind, dialect)
        self.fit = fit_of(kind, dialect)
        self._bind = self.outer.bind_processor(dialect)
        self._readers: dict[type[Any], Callable[[Any], Any] | None] = {}
        self._leaf = _leaf_of(self.native) if dialect.name == "postgresql" else None
        self.placeholder = _parameter(kind, dialect)
        self._selected = self._selecting()

    def read(self, raw: Any) -> Any:
        """The value of the mapped attribute for what Django's driver has read."""
        if self._leaf is not None and raw is not None:
            is_array = isinstance(self.native, ARRAY)
            raw = _deeply(self._leaf, raw) if is_array else self._leaf(raw)
        sample = _first(raw)
        if type(sample) not in self._readers:
            oid = _OIDS.get(type(sample), _OIDS[Decimal])
            self._readers[type(sample)] = self.outer.result_processor(self.dialect, oid)
        reader = self._readers[type(sample)]
        return raw if reader is None else reader(raw)

    def bind(self, value: Any) -> Any:
        """A value of the mapped attribute as Django's driver takes it."""
        if isinstance(self.native, AbstractSingleRange):
            return str(value)
        if isinstance(self.native, AbstractMultiRange):
            return f"{{{','.join(map(str, value))}}}"
        return value if self._bind is None else self._bind(value)

    def select(self, sql: str) -> str:
        """The SQL that reads a column, of which `sql` is the name."""
        return sql if self._selected is None else self._selected.replace(_COLUMN, sql)

    @property
    def text_type(self) -> str | None:
        """The type of text as which the column is read and ordered, if its own has no order and no
        equality: PostgreSQL's older ``json``, and arrays of it."""
        native = self.native
        if isinstance(native, ARRAY):
            return "text[]" if self._is_json(native.item_type.dialect_impl(self.dialect)) else None
        return "text" if self._is_json(native) else None

    def _is_json(self, native: Any) -> bool:
        on_postgresql = self.dialect.name == "postgresql"
        return on_postgresql and isinstance(native, JSON) and not isinstance(native, JSONB)

    def _selecting(self) -> str | None:
        wrapped = self.outer.column_expression(literal_column(_COLUMN, self.kind))
        if wrapped is None:
            return None
        return str(wrapped.compile(dialect=self.dialect))


def to_native(kind: TypeEngine[Any], dialect: Dialect, value: Any) -> Any:
    """`value` as the decorators of its type hand it on to the plain type below them."""
    while isinstance(kind, TypeDecorator):
        with suppress(NotImplementedError):
            value = kind.process_bind_param(value, dialect)
        kind = kind.load_dialect_impl(dialect)
    return value


def from_native(kind: TypeEngine[Any], dialect: Dialect, value: Any) -> Any:
    """The value that the decorators of a type make of one of the plain type below them."""
    chain = []
    while isinstance(kind, TypeDecorator):
        chain.append(kind)
        kind = kind.load_dialect_impl(dialect)
    for each in reversed(chain):
        with suppress(NotImplementedError):
            value = each.process_result_value(value, dialect)
    return value


def _declared(kind: TypeEngine[Any], dialect: Dialect) -> TypeEngine[Any]:
    while isinstance(kind, TypeDecorator):
        kind = kind.load_dialect_impl(dialect)
    return kind


def _parameter(kind: TypeEngine[Any], dialect: Dialect) -> str:
    sql = str(bindparam(_PARAMETER, type_=kind).compile(dialect=dialect))
    return sql.replace(f"%({_PARAMETER})s", "%s").replace("?", "%s")


def _leaf_of(native: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    """What makes of a text that Django left as it came what SQLAlchemy's driver would give."""
    if isinstance(native, ARRAY):
        item: Any = native.item_type
        return _leaf_of(item.impl_instance if isinstance(item, TypeDecorator) else item)
    if isinstance(native, JSON):
        return _parse_json
    if isinstance(native, INET):
        return _parse_address
    return ipaddress.ip_network if isinstance(native, CIDR) else None


def _parse_json(raw: Any) -> Any:
    return json.loads(raw) if isinstance(raw, str | bytes) else raw


def _parse_address(raw: str) -> Any:
    """As psycopg does it: with a mask it is an interface, without one an address."""
    return ipaddress.ip_interface(raw) if "/" in raw else ipaddress.ip_address(raw)


def _deeply(leaf: Callable[[Any], Any], raw: Any) -> Any:
    if raw is None:
        return None
    return [_deeply(leaf, each) for each in raw] if isinstance(raw, list) else leaf(raw)


def _first(raw: Any) -> Any:
    """A value of an array, of however many dimensions, that says of which type all are."""
    while isinstance(raw, list):
        raw = next((each for each in raw if each is not None), None)
    return raw
