"""The mapped classes that are ours: one question, asked in one place.

A class is ours if it stands in the registry of `Model` and its tables stand in its metadata,
however it was mapped: as a subclass, as a dataclass, by ``Model.registry.mapped`` or imperatively.
Migrations make its tables, the admin mirrors it, and the capture sees it from the start.

A session of ours may flush any other mapped class too (of another ``DeclarativeBase``, SQLModel or
a library), and captures it like ours. In a feature's package such a class is refused at the start,
because migrations and the admin would ignore it silently.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.orm import Mapper, registry
from sqlalchemy.orm.mapper import _all_registries

from trivet.errors import ConfigurationError
from trivet.models.base import Model

_mapped = 0


def note_mapper(_mapper: Mapper[Any], _class: type[Any]) -> None:
    """Count a newly mapped class, on any base."""
    global _mapped  # noqa: PLW0603  # one number for the process, as SQLAlchemy's registries are
    _mapped += 1


def known_classes() -> tuple[int, int]:
    """A value that changes whenever a class is mapped or a table is made."""
    return _mapped, len(Model.metadata.tables)


def is_ours(mapper: Mapper[Any]) -> bool:
    """Whether the class of `mapper` is one of ours."""
    return mapper.registry is Model.registry and not _strange_tables(mapper)


def our_mappers() -> Iterator[Mapper[Any]]:
    """The mappers of our mapped classes."""
    return filter(is_ours, list(Model.registry.mappers))


def every_mapper() -> Iterator[Mapper[Any]]:
    """The mappers of all mapped classes of this process, on any base."""
    registries: set[registry] = _all_registries()  # private, pinned by a test
    return (mapper for each in registries for mapper in list(each.mappers))


def require_ours(mappers: Iterable[Mapper[Any]]) -> None:
    """Raise ConfigurationError, with every class and its cure, unless all are ours."""
    faults = sorted(_fault(each) for each in mappers if not is_ours(each))
    if faults:
        raise ConfigurationError("another-base", " ".join(faults))


def mappers_in(package: str) -> Iterator[Mapper[Any]]:
    """The mappers of the classes that the modules of `package` define."""
    inside = f"{package}."
    return (each for each in every_mapper() if f"{each.class_.__module__}.".startswith(inside))


def _strange_tables(mapper: Mapper[Any]) -> list[str]:
    tables: Iterable[Any] = mapper.tables
    known = Model.metadata.tables
    return sorted(each.name for each in tables if known.get(each.key) is not each)


def _fault(mapper: Mapper[Any]) -> str:
    mapped = mapper.class_
    name = f"{mapped.__module__}.{mapped.__qualname__}"
    if mapper.registry is Model.registry:
        tables = ", ".join(_strange_tables(mapper))
        return (
            f"{name} is mapped to a table of another metadata ({tables}), which migrations and "
            "the admin pass by. Cure: make the table with Model.metadata."
        )
    return (
        f"{name} is mapped on another base than trivet.Model, which migrations and the admin pass "
        f"by. Cure: stand it on trivet.Model (class {mapped.__name__}(Model), or "
        "Model.registry.mapped, or Model.registry.map_imperatively with a table of "
        "Model.metadata); or, if its table is none of this product's, move the class to a "
        "package that is no feature."
    )
