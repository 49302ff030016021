"""The features to which mapped classes and tables belong: whose revisions make them, and under
which name the admin shows them."""

import sys
from collections.abc import Iterator
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import Mapper

from trivet.models.base import Model
from trivet.models.mapped import (
    PLATFORM,
    find_naming_feature,
    is_inside,
    our_mappers,
    our_metadata,
    our_tables,
    sources,
)


def owner_of(mapper: Mapper[Any]) -> str | None:
    """The name of the feature to which the class of `mapper` belongs.

    It is the one whose package defines the class, else the first that imports it, else the first
    that names another class of its registry. None for a class that no feature brings, and
    `PLATFORM` for the platform's own.
    """
    found = find_naming_feature(mapper.class_)
    if found is None and mapper.registry is not Model.registry:
        found = _first(find_naming_feature(each.class_) for each in mapper.registry.mappers)
    return found


def tables_of(owner: str) -> set[Table]:
    """The tables of the feature called `owner`, or of the platform.

    One without a class belongs where a module has it as its own, else to the first feature with
    classes in its metadata.
    """
    owners = _owners_of_mapped()
    owners |= {table: name for table, name in _named_tables() if table not in owners}
    found = {table for table, name in owners.items() if name == owner}
    ours = {*our_tables()}
    for metadata in our_metadata():
        if metadata is not Model.metadata and _owner_of_metadata(metadata, owners) == owner:
            found |= {t for t in metadata.tables.values() if t not in owners and t in ours}
    return found


def _owners_of_mapped() -> dict[Table, str | None]:
    # A class that inherits may belong to another feature than the table of the other.
    mappers = sorted(our_mappers(), key=lambda each: each.inherits is not None)
    owners: dict[Table, str | None] = {}
    for mapper in mappers:
        if isinstance(mapper.local_table, Table):
            owners.setdefault(mapper.local_table, owner_of(mapper))
    for mapper in mappers:  # a join as one class
        for table in mapper.tables:
            if isinstance(table, Table):
                owners.setdefault(table, owner_of(mapper))
    return owners


def _named_tables() -> Iterator[tuple[Table, str]]:
    """The tables that modules of features, and of the platform, hold by a name."""
    packages = [(PLATFORM, PLATFORM)]
    packages += [(package, each.feature) for each in sources() for package in each.packages]
    ours = set(our_tables())
    for name, module in list(sys.modules.items()):
        for package, owner in packages:
            if is_inside(name, package):
                values = list(vars(module).values())
                yield from ((v, owner) for v in values if isinstance(v, Table) and v in ours)


def _owner_of_metadata(metadata: MetaData, owners: dict[Table, str | None]) -> str | None:
    return _first(owners.get(table) for table in metadata.tables.values())


def _first(owners: Iterator[str | None]) -> str | None:
    """The first of `owners` in the order of the settings."""
    found = set(owners)
    return next((each.feature for each in sources() if each.feature in found), None)
