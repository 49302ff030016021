"""The mapped classes of a project, and what its tables are exempt from.

Apart from `registering`, because a feature's models are imported before Django is configured.
"""

from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.ddl import sort_tables

from trivet.models.mapped import every_mapper


def mapped_classes(package: str) -> list[type[Any]]:
    """The mapped classes of a package that are known by now, those that others refer to first."""
    mappers = [m for m in every_mapper() if m.class_.__module__.partition(".")[0] == package]
    return [mapper.class_ for mapper in _in_order(mappers)]


def _in_order(mappers: list[Mapper[Any]]) -> list[Mapper[Any]]:
    """By the foreign keys between their tables, as far as these are no circle."""
    metadata = {t.metadata for mapper in mappers for t in mapper.tables if isinstance(t, Table)}
    tables = [t for each in metadata for t in sort_tables(list(each.tables.values()))]
    places: dict[Any, int] = {table: place for place, table in enumerate(tables)}
    last = len(places)
    name = {mapper: f"{mapper.class_.__module__}.{mapper.class_.__name__}" for mapper in mappers}
    return sorted(mappers, key=lambda m: (places.get(m.local_table, last), name[m]))


def exempt_from_audit(package: str) -> None:
    """Exempt the tables of a package whose rows the database changes by itself."""
    for mapped in mapped_classes(package):
        for table in mapped.metadata.tables.values():
            if any(key.ondelete or key.onupdate for key in table.foreign_keys):
                table.info["audit"] = "ignored"
