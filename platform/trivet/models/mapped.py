"""The mapped classes and tables that are ours: one question, asked in one place.

Ours are the classes of `Model`'s registry, and those of every registry of which a feature of this
process brings a class: on a ``DeclarativeBase`` of its own, by a decorator, imperatively, as
SQLModel, as a dataclass. Migrations make their tables, the admin mirrors them, and the start checks
them. A registry is taken whole, because its classes refer to each other by their names, and so is
the metadata of their tables.

What features bring is told by `trivet.features.load_features`, once for a process; a later call
replaces it. A session of ours may flush any other mapped class too, and captures it like ours.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.orm import ClassManager, Mapper, registry
from sqlalchemy.orm.mapper import _all_registries

from trivet.errors import ConfigurationError
from trivet.models.base import Model
from trivet.models.dataclass_defaults import take_factories

PLATFORM = "trivet"
"""The owner of the platform's own tables, and its package."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the classes of a feature are: in `packages`, and under a name in its `modules`, which
    import them, or made them by a function of somebody else's, such as SQLAlchemy's automap."""

    feature: str
    packages: tuple[str, ...]
    modules: tuple[ModuleType, ...] = ()


_mapped = 0
_sources: tuple[Source, ...] = ()


def note_mapper(_mapper: Mapper[Any], _class: type[Any]) -> None:
    """Count a newly mapped class, on any base."""
    global _mapped  # noqa: PLW0603  # one number for the process, as SQLAlchemy's registries are
    _mapped += 1


def bring(sources: Sequence[Source]) -> None:
    """Take the classes at `sources` for ours, and no longer those of an earlier call."""
    global _sources  # noqa: PLW0603  # one for the process, as its mapped classes are
    _sources = tuple(sources)
    _registries_at.cache_clear()
    _metadata_at.cache_clear()
    _tables_at.cache_clear()
    for mapper in our_mappers():
        take_factories(mapper)


def sources() -> tuple[Source, ...]:
    """Where the classes of the features are, in the order of the settings."""
    return _sources


def known_classes() -> tuple[int, int]:
    """A value that changes whenever a class is mapped or a table of ours is made."""
    return _mapped, sum(len(each.tables) for each in our_metadata())


def is_ours(mapper: Mapper[Any]) -> bool:
    """Whether the class of `mapper` is one of ours."""
    return mapper.registry in _registries_at(_mapped) and _stands(mapper)


def our_mappers() -> Iterator[Mapper[Any]]:
    """The mappers of our mapped classes."""
    every = (mapper for each in _registries_at(_mapped) for mapper in _mappers_of(each))
    return filter(_stands, every)


def our_metadata() -> tuple[MetaData, ...]:
    """The metadata in which the tables of our classes stand, that of `Model` first."""
    return _metadata_at(_mapped)


def our_tables() -> Iterator[Table]:
    """The tables of all our metadata, also those without a class.

    A metadata that reflects a whole database has the tables of Trivet and Django too. They are
    theirs, and known already, unless a class is mapped to one.
    """
    return iter(_tables_at(known_classes()))


_UNMAPPED = frozenset({"trivet_migration", "django_migrations", "django_admin_log"})
"""The tables of Trivet and Django that `Model.metadata` does not have."""


@lru_cache(maxsize=1)
def _tables_at(_known: tuple[int, int]) -> tuple[Table, ...]:
    theirs = {*Model.metadata.tables, *_UNMAPPED}
    mapped = {table for mapper in our_mappers() for table in mapper.tables}
    return tuple(
        table
        for metadata in our_metadata()
        for table in metadata.tables.values()
        if metadata is Model.metadata or table.key not in theirs or table in mapped
    )


def every_mapper() -> Iterator[Mapper[Any]]:
    """The mappers of all mapped classes of this process, on any base. Those that could not be
    mapped to the end are left out."""
    return (mapper for each in _every_registry() for mapper in _mappers_of(each))


def find_naming_feature(mapped: type[Any]) -> str | None:
    """The feature that names a class: its package defines it, or its module imports it. `PLATFORM`
    for a class of the platform."""
    module = mapped.__module__
    if is_inside(module, PLATFORM):
        return PLATFORM
    fits = [
        (len(package), source.feature)
        for source in _sources
        for package in source.packages
        if is_inside(module, package)
    ]
    if fits:
        return max(fits, key=lambda each: each[0])[1]
    return next((source.feature for source in _sources if _imports(source, mapped)), None)


def require_ours(mappers: Iterable[Mapper[Any]]) -> None:
    """Raise ConfigurationError, with every class and its cure, unless all are ours."""
    faults = sorted(_fault(each) for each in mappers if not is_ours(each))
    if faults:
        raise ConfigurationError("another-base", " ".join(faults))


def _fault(mapper: Mapper[Any]) -> str:
    mapped = mapper.class_
    return (
        f"{mapped.__module__}.{mapped.__qualname__} is mapped on a base that no feature brings. "
        f"Cure: import {mapped.__name__} in the models.py of a feature."
    )


@lru_cache(maxsize=1)
def _registries_at(_known: int) -> tuple[registry, ...]:
    """The registries that are ours, that of `Model` first and the others by their features."""
    found = {Model.registry: None}
    brought = [each for each in every_mapper() if find_naming_feature(each.class_) is not None]
    order = [source.feature for source in _sources]
    for mapper in sorted(brought, key=lambda each: _place(each, order)):
        found[mapper.registry] = None
    return tuple(found)


def _place(mapper: Mapper[Any], order: list[str]) -> tuple[int, str, str]:
    owner = find_naming_feature(mapper.class_)
    place = order.index(owner) if owner in order else -1
    return place, mapper.class_.__module__, mapper.class_.__name__


@lru_cache(maxsize=1)
def _metadata_at(_known: int) -> tuple[MetaData, ...]:
    found = {Model.metadata: None}
    for mapper in our_mappers():
        for table in mapper.tables:
            if isinstance(table, Table):
                found[table.metadata] = None
    return tuple(found)


def _imports(source: Source, mapped: type[Any]) -> bool:
    return any(value is mapped for module in source.modules for value in vars(module).values())


def is_inside(module: str, package: str) -> bool:
    """Whether `module` is `package`, or one below it."""
    return f"{module}.".startswith(f"{package}.")


def _stands(mapper: Mapper[Any]) -> bool:
    """Whether nobody has taken its tables out of their metadata, and so the class away."""
    tables = (each for each in mapper.tables if isinstance(each, Table))
    return all(each.metadata.tables.get(each.key) is each for each in tables)


def _mappers_of(each: registry) -> Iterator[Mapper[Any]]:
    # ``registry.mappers`` fails as long as one of its classes is half mapped.
    managers: Iterable[ClassManager[Any]] = list(each._managers)  # noqa: SLF001  # pinned by a test
    return (manager.mapper for manager in managers if manager.is_mapped)


def _every_registry() -> set[registry]:
    registries: set[registry] = _all_registries()  # private, pinned by a test
    return registries
