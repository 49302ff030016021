"""Features that are nothing but mapped classes of somebody else's package.

That package is no Django app: its ``models``, ``admin``, ``templates`` and ``management`` have
another meaning there. So its classes get an app without files.
"""

from pathlib import Path
from types import ModuleType

from django.apps import AppConfig

from trivet.features import Feature


class OnlyClasses(AppConfig):
    """The app of such a feature. Two of the same feature are equal, as the names of apps are."""

    path = str(Path(__file__).parent / "only_classes")  # there is none, so nothing is found in it

    def __init__(self, feature: Feature) -> None:
        self._feature = feature
        name = f"{__name__}.{feature.name}"  # nothing can be imported from below it
        super().__init__(name, ModuleType(name))
        self.verbose_name = feature.title

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OnlyClasses) and other._feature == self._feature

    def __hash__(self) -> int:
        return hash(self._feature)
