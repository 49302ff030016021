"""Features: packages of the user's own, found by their name in the settings.

Each file of a feature uses one framework, and is used if it exists; each of them may be missing. A
feature's name is the last part of its package. It is the Django app label, the channel namespace
and the URL segment.

Mapped classes may be somebody else's. A feature's ``models.py`` imports them, or says by
``taken_from`` in which packages they are; ``name=package`` in the settings is a feature that has
nothing else.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from trivet.errors import ConfigurationError
from trivet.feature_errors import naming_lines
from trivet.models.mapped import Source, bring
from trivet.source_files import file_of, folder_of_module, folders_of
from trivet.suggestion import did_you_mean
from trivet.taken_classes import take, take_below, taken_from

T = TypeVar("T")

PLUGS = ("models", "events", "rules", "api", "admin", "realtime", "web")
"""The files that Trivet looks for in a feature."""

RESERVED = frozenset(
    {"accounts", "admin", "api", "auth", "contenttypes", "docs", "healthz", "messages"}
    | {"readyz", "sessions", "static", "trivet", "ws"}
)
"""Names that would shadow a mount, or an app label of ours or of Django's."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature package. Its files are imported when a room asks for them, so that a
    process that serves one room needs the libraries of that room alone.

    Attributes:
        name: Its name in addresses, channels and Django.
        package: Its package; with `only_classes` the package or module of somebody else's classes.
        only_classes: Whether it has no files of its own, and so no revisions.
    """

    name: str
    package: str
    only_classes: bool = False

    @property
    def folder(self) -> Path:
        """Where the files of the feature lie."""
        return folder_of_module(self.package)

    def has_file(self, file: str) -> bool:
        """Whether there is ``<package>/<file>.py``, or a package of that name."""
        if self.only_classes:
            return False  # files of these names have another meaning there
        return importlib.util.find_spec(f"{self.package}.{file}") is not None

    @property
    def title(self) -> str:
        """The feature's name as people read it."""
        return self.name.replace("_", " ").capitalize()

    @property
    def about(self) -> str:
        """The first line of the package's docstring; empty without one."""
        lines = (importlib.import_module(self.package).__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""

    def find_module(self, file: str) -> ModuleType | None:
        """The module of ``<package>/<file>.py``, imported, or None if there is no file.

        A broken file is not a missing one: its exception becomes a ConfigurationError that begins
        with the file and the line.
        """
        if not self.has_file(file):
            return None
        with naming_lines([self.folder]):
            return importlib.import_module(f"{self.package}.{file}")


def load_features(packages: Iterable[str]) -> tuple[Feature, ...]:
    """The features named by `packages`, each with the modules of its mapped classes imported.

    An entry is a dotted package, or ``name=package`` for the classes of that package alone.
    Their mapped classes, on whatever base, are ours from here on (`trivet.models.mapped`), and no
    longer those of an earlier call. Raises ConfigurationError if one is missing, is no feature,
    cannot be imported, or takes a name that is not free.
    """
    features: dict[str, Feature] = {}
    sources: list[Source] = []
    for entry in packages:
        feature = _load(entry)
        sources.append(_source_of(feature))
        if feature.name in features:
            raise ConfigurationError(
                "feature-name", f"Two features are called {feature.name!r}: rename one package."
            )
        features[feature.name] = feature
    bring(sources)
    return tuple(features.values())


def _source_of(feature: Feature) -> Source:
    """Where the classes of `feature` are. The modules are imported."""
    if feature.only_classes:
        taken = take(feature.package, "TRIVET_FEATURES")
        return Source(feature.name, (feature.package,), (taken,))
    module = feature.find_module("models")
    if module is None:
        return Source(feature.name, (feature.package,))
    with naming_lines([feature.folder]):
        take_below(module)
    packages = taken_from(module)
    others = [take(package, file_of(module.__name__)) for package in packages]
    return Source(feature.name, (feature.package, *packages), (module, *others))


def _load(entry: str) -> Feature:
    given, is_given, package = entry.rpartition("=")
    name = given if is_given else package.rpartition(".")[2]
    if name in RESERVED:
        cure = f"write other={package}" if is_given else f"rename the package {package}"
        raise ConfigurationError("feature-name", f"{name!r} is taken: {cure}.")
    root = package.partition(".")[0]
    if root in sys.stdlib_module_names:
        raise ConfigurationError(
            "feature-name",
            f"TRIVET_FEATURES names {package!r}, and {root!r} is Python's own module: give the "
            "feature's package another name.",
        )
    feature = Feature(name, package, only_classes=bool(is_given))
    if is_given:
        return feature
    # Looking for a file imports the package above it.
    with naming_lines(folders_of(root)):
        _require_package(package)
        if not any(feature.has_file(file) for file in PLUGS):
            raise ConfigurationError("no-feature", _explain_empty(feature))
    return feature


def _packages_here() -> list[str]:
    """The packages in the working directory, where features of a project lie."""
    return [each.parent.name for each in Path.cwd().glob("*/__init__.py")]


def _require_package(package: str) -> None:
    """Raise ConfigurationError if there is no such package. Its parents are imported."""
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise ConfigurationError("no-feature", f"The feature {package!r}: {error}.") from error
        found = None
    if found is None:
        raise ConfigurationError(
            "no-feature",
            f"TRIVET_FEATURES names {package!r}, and there is no such package on the import path"
            f"{did_you_mean(package, _packages_here())}",
        )
    if not found.submodule_search_locations:
        raise ConfigurationError(
            "no-feature",
            f"TRIVET_FEATURES names {package!r}, and {found.origin} is a module: a feature is a "
            "package, a folder with the files of the feature in it. If only the mapped classes of "
            f"the module are meant, write {package.rpartition('.')[2]}={package}.",
        )


def _explain_empty(feature: Feature) -> str:
    files = ", ".join(f"{file}.py" for file in PLUGS)
    if {"site-packages", "dist-packages"} & set(feature.folder.parts):
        return (
            f"TRIVET_FEATURES names {feature.package!r}, which is an installed library and no "
            f"feature: it has none of {files}."
        )
    return f"The feature {feature.package!r} ({feature.folder}) has none of {files}: add one."


def modules_of(features: Iterable[Feature], file: str) -> list[tuple[Feature, ModuleType]]:
    """Each feature that has ``<file>.py``, with that module, in the settings' order."""
    pairs = ((feature, feature.find_module(file)) for feature in features)
    return [(feature, module) for feature, module in pairs if module is not None]


def attribute_of(module: ModuleType, name: str, kind: type[T], cure: str) -> T:
    """The definition that a file of a feature needs, a `kind` called `name`.

    Raises ConfigurationError, with the file and `cure`, if it is missing or of another kind.
    """
    value: Any = getattr(module, name, None)
    if isinstance(value, kind):
        return value
    path = file_of(module.__name__)
    wrong = f"its {name} is a {type(value).__name__}" if value is not None else f"it has no {name}"
    raise ConfigurationError("feature-file", f"{path}: {wrong}. Cure: {cure}.")
