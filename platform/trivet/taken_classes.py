"""Mapped classes of somebody else's package, which a feature takes as they are.

The package is imported with all modules below it, because a class is mapped when its module is
imported, and many a package of classes imports none of them itself. Modules that are no part of a
running application are left out: tests, and the scripts of Alembic.
"""

import importlib
import importlib.util
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from sqlalchemy import inspect

from trivet.errors import ConfigurationError
from trivet.feature_errors import naming_lines
from trivet.models.mapped import every_mapper, is_inside
from trivet.source_files import file_of, folder_of_module

ATTRIBUTE = "taken_from"
"""The name in a ``models.py`` that says in which packages the classes are."""

_LEFT_OUT = frozenset({"__main__", "alembic", "conftest", "migrations", "tests", "versions"})


def taken_from(module: ModuleType) -> tuple[str, ...]:
    """The packages that the ``taken_from`` of a ``models.py`` names: a name, or several."""
    given = getattr(module, ATTRIBUTE, ())
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(each, str) for each in names):
        raise ConfigurationError(
            "feature-file",
            f"{file_of(module.__name__)}: its {ATTRIBUTE} is no name of a package. Cure: "
            f'{ATTRIBUTE} = "theirs.tables", or a list of such names.',
        )
    return tuple(names)


def take(package: str, named_by: str) -> ModuleType:
    """Import `package`, or a module, and everything below it, for its mapped classes.

    Raises ConfigurationError, naming `named_by`, if there is none, or no class is mapped in it;
    with file and line for what fails on the way.
    """
    missing = ConfigurationError(
        "no-feature",
        f"{named_by} names {package!r}, and there is no such package or module on the import path.",
    )
    root = package.partition(".")[0]
    if importlib.util.find_spec(root) is None:
        raise missing
    try:
        with naming_lines([folder_of_module(root)]):
            module = importlib.import_module(package)
            take_below(module)
    except ModuleNotFoundError as error:
        raise missing from error
    if not _maps_anything(module, package):
        raise ConfigurationError(
            "no-feature",
            f"{named_by} names {package!r}, and no class is mapped there. Cure: name the package "
            "or module that has the mapped classes.",
        )
    return module


def take_below(module: ModuleType) -> None:
    """Import the modules below `module`, if it is a package."""
    for name in _below(module):
        importlib.import_module(name)


def _below(module: ModuleType) -> Iterator[str]:
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{module.__name__}."):
        if found.name.rpartition(".")[2] in _LEFT_OUT:
            continue
        yield found.name
        if found.ispkg:
            yield from _below(importlib.import_module(found.name))


def _maps_anything(module: ModuleType, package: str) -> bool:
    if any(is_inside(each.class_.__module__, package) for each in every_mapper()):
        return True
    imported = (value for value in vars(module).values() if isinstance(value, type))
    return any(inspect(each, raiseerr=False) is not None for each in imported)
