"""Features: packages of the user's own, found by their name in the settings.

Each file of a feature uses one framework, and is used if it exists; each of them may be missing. A
feature's name is the last part of its package. It is the Django app label, the channel namespace
and the URL segment.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from trivet.errors import ConfigurationError
from trivet.feature_errors import locate
from trivet.models.mapped import Source, bring
from trivet.source_files import file_of

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
    process that serves one room needs the libraries of that room alone."""

    name: str
    package: str

    @property
    def folder(self) -> Path:
        """Where the files of the feature lie."""
        spec = importlib.util.find_spec(self.package)
        assert spec is not None, "load_features found it"
        assert spec.submodule_search_locations
        return Path(next(iter(spec.submodule_search_locations)))

    def has_file(self, file: str) -> bool:
        """Whether there is ``<package>/<file>.py``, or a package of that name."""
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


@contextmanager
def naming_lines(folders: Iterable[Path]) -> Iterator[None]:
    """Turn exceptions of a file in `folders` inside this block into a ConfigurationError that
    begins with the file and the line. Other exceptions are not changed."""
    try:
        yield
    except Exception as error:
        located = locate(error, folders)
        if located is None:
            raise
        raise located from error


def load_features(packages: Iterable[str]) -> tuple[Feature, ...]:
    """The features named by `packages` (dotted), each with its ``models.py`` imported.

    Their mapped classes, on whatever base, are ours from here on (`trivet.models.mapped`), and no
    longer those of an earlier call. Raises ConfigurationError if one is missing, is no feature,
    cannot be imported, or takes a name that is not free.
    """
    features: dict[str, Feature] = {}
    for package in packages:
        feature = _load(package)
        if feature.name in features:
            raise ConfigurationError(
                "feature-name", f"Two features are called {feature.name!r}: rename one package."
            )
        features[feature.name] = feature
    bring([_source_of(each) for each in features.values()])
    return tuple(features.values())


def _source_of(feature: Feature) -> Source:
    return Source(feature.name, (feature.package,), feature.find_module("models"))


def _load(package: str) -> Feature:
    name = package.rpartition(".")[2]
    if name in RESERVED:
        raise ConfigurationError(
            "feature-name", f"{name!r} is taken: rename the package {package}."
        )
    root = package.partition(".")[0]
    if root in sys.stdlib_module_names:
        raise ConfigurationError(
            "feature-name",
            f"TRIVET_FEATURES names {package!r}, and {root!r} is Python's own module: give the "
            "feature's package another name.",
        )
    feature = Feature(name, package)
    # Looking for a file imports the package above it.
    with naming_lines(_folders_of(root)):
        _require_package(package)
        if not any(feature.has_file(file) for file in PLUGS):
            raise ConfigurationError("no-feature", _explain_empty(feature))
    feature.find_module("models")
    return feature


def _folders_of(root: str) -> list[Path]:
    spec = importlib.util.find_spec(root)
    locations = spec.submodule_search_locations if spec is not None else None
    return [Path(location) for location in locations or ()]


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
            f"TRIVET_FEATURES names {package!r}, and there is no such package on the import path.",
        )
    if not found.submodule_search_locations:
        raise ConfigurationError(
            "no-feature",
            f"TRIVET_FEATURES names {package!r}, and {found.origin} is a module: a feature is a "
            "package, a folder with the files of the feature in it.",
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
