"""Features: packages of the user's own, found by their name in the settings.

One framework a file, and a file's presence is the plug. A feature's name is the last part
of its package: it is the Django app label, the channel namespace and the URL segment.
"""

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType

from trivet.errors import ConfigurationError
from trivet.models.mapped import mappers_in, require_ours

RESERVED = frozenset(
    {"accounts", "admin", "api", "auth", "docs", "healthz", "readyz", "static", "trivet", "ws"}
)
"""Names that would shadow a mount, or an app label of ours."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A feature package. Its files are imported when a room asks for them, so that a
    process that serves one room needs the libraries of that room alone."""

    name: str
    package: str

    def find_module(self, file: str) -> ModuleType | None:
        """The module of ``<package>/<file>.py``, imported, or None if there is no file.

        An import error inside the file is raised: a broken plug is not a missing one.
        """
        dotted = f"{self.package}.{file}"
        if importlib.util.find_spec(dotted) is None:
            return None
        return importlib.import_module(dotted)


def load_features(packages: Iterable[str]) -> tuple[Feature, ...]:
    """The features named by `packages` (dotted), each with its ``models.py`` imported.

    Raises ConfigurationError if one is missing, has no ``models.py``, takes a name that is not
    free, or maps a class on another base than `Model`.
    """
    features: dict[str, Feature] = {}
    for package in packages:
        feature = _load(package)
        if feature.name in features:
            raise ConfigurationError(
                "feature-name", f"Two features are called {feature.name!r}: rename one package."
            )
        require_ours(mappers_in(package))
        features[feature.name] = feature
    return tuple(features.values())


def _load(package: str) -> Feature:
    name = package.rpartition(".")[2]
    if name in RESERVED:
        raise ConfigurationError(
            "feature-name", f"{name!r} is taken: rename the package {package}."
        )
    try:
        found = importlib.util.find_spec(package)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise ConfigurationError(
            "no-feature",
            f"TRIVET_FEATURES names {package!r}, and there is no such package on the import path.",
        )
    feature = Feature(name, package)
    if feature.find_module("models") is None:
        raise ConfigurationError("no-models", f"The feature {package!r} has no models.py.")
    return feature


def modules_of(features: Iterable[Feature], file: str) -> list[tuple[Feature, ModuleType]]:
    """Each feature that has ``<file>.py``, with that module, in the settings' order."""
    pairs = ((feature, feature.find_module(file)) for feature in features)
    return [(feature, module) for feature, module in pairs if module is not None]
