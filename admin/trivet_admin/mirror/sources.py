"""What a mirror reads from where that is no table: a query of SQLAlchemy's under a name.

The rows of a joined subclass lie in several tables, those of a single-table subclass are some of
its base's, and a class may be mapped to any query. Django knows tables alone. So such a mirror has
a `Source` for its table. It is a name, like any other, and wherever Django selects from it, the
compilers put the query before the name (`trivet_admin.backends.compilers`). Lists, filters, joins
and locks work as with a table, and the databases look through such a query as through a view.
"""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from sqlalchemy import Select, Table, select
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapper

from trivet_admin.backends.shared_connection import dialect_of
from trivet_admin.mirror.hierarchy import inherits

_OPTIONS = (
    "verbose_name",
    "verbose_name_plural",
    "ordering",
    "default_permissions",
    "permissions",
)
"""The options of a mirror in a table's `info`, by the names of Django's ``Meta``."""
_OF_ALL_KINDS = ("ordering",)
"""Those of them that a subclass has from the table of its base."""
NAME_BYTES = 63
"""The length of a name in PostgreSQL."""


class Source(str):
    """The name of a query, which stands where Django has the name of a table."""

    query: Select[Any]

    def __new__(cls, name: str, query: Select[Any]) -> "Source":
        source = super().__new__(cls, name)
        source.query = query
        return source

    @cached_property
    def compiled(self) -> tuple[str, tuple[Any, ...]]:
        """The query as Django has SQL: with ``%s`` for its parameters."""
        return as_django_sql(self.query)


def as_django_sql(query: Select[Any]) -> tuple[str, tuple[Any, ...]]:
    """A query as Django has SQL: with ``%s`` for its parameters."""
    compiled = query.compile(dialect=_dialect(connections[DEFAULT_DB_ALIAS].vendor))
    state = compiled.construct_expanded_state(escape_names=False)
    names = state.positiontup or ()
    params = ((state.parameters[name], state.processors.get(name)) for name in names)
    values = tuple(value if process is None else process(value) for value, process in params)
    return state.statement, values


@cache
def _dialect(vendor: str) -> Dialect:
    kind: Any = type(dialect_of(vendor))
    dialect: Dialect = kind(paramstyle="format")
    return dialect


def is_plain(mapper: Mapper[Any]) -> bool:
    """Whether all rows of one table are those of `mapper`, and all that it has."""
    return isinstance(mapper.local_table, Table) and not inherits(mapper)


def source_of(mapper: Mapper[Any], columns: Mapping[str, Any]) -> Source:
    """The source of a class that is not plain; `columns` are its columns by their names there."""
    query = select(*(column.label(name) for name, column in columns.items()))
    query = query.select_from(mapper.persist_selectable)
    if mapper.single and mapper.polymorphic_on is not None:
        values = [m.polymorphic_identity for m in mapper.self_and_descendants if _has_rows(m)]
        query = query.where(mapper.polymorphic_on.in_(values))
    return Source(_name(mapper), query)


def _has_rows(mapper: Mapper[Any]) -> bool:
    return not mapper.polymorphic_abstract


def labels_of(columns: Iterable[tuple[str, Any]]) -> dict[str, str]:
    """A name of its own for each column, by its attribute: the column's, as far as it is free."""
    found: dict[str, str] = {}
    for key, column in columns:
        name = str(getattr(column, "name", key))
        found[key] = name if name not in found.values() else f"{column.table.name}_{key}"
    return found


def options_of_table(mapper: Mapper[Any]) -> dict[str, Any]:
    """What the tables of a class say of its mirror. A name is that of the class whose table says
    it, and an order that of every subclass."""
    found: dict[str, Any] = {}
    for each in reversed(list(mapper.iterate_to_root())):
        is_own = each is mapper and not mapper.single
        info: Mapping[str, Any] = getattr(each.local_table, "info", {})
        if is_own or (inherits(mapper) and not mapper.concrete):
            wanted = _OPTIONS if is_own else _OF_ALL_KINDS
            found |= {option: info[option] for option in wanted if option in info}
    return found


def _name(mapper: Mapper[Any]) -> str:
    """A name that no table has and no other source."""
    mapped = mapper.class_
    name = f"{mapped.__name__} of {mapped.__module__}"
    if len(name.encode()) <= NAME_BYTES:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name.encode()[: NAME_BYTES - 9].decode(errors='ignore')} {digest}"
