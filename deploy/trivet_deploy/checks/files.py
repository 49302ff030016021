"""Files of a feature that are called nearly like a plug, and so are not plugged in.

A file's presence is the plug, so a wrong name fails nowhere: the routes, the channels, the admin
are just not there.
"""

import difflib
import sys
from collections.abc import Iterable, Iterator

from trivet.features import PLUGS, Feature
from trivet.source_files import shown

OTHER_NAMES = {
    "channels": "realtime",
    "consumers": "realtime",
    "endpoints": "api",
    "feeds": "events",
    "pages": "web",
    "routers": "api",
    "routes": "api",
    "router": "api",
    "sockets": "realtime",
    "urls": "api",
    "views": "web",
    "websockets": "realtime",
}
"""The names of these files in other frameworks."""


def find_unplugged(features: Iterable[Feature]) -> Iterator[str]:
    """A sentence for each file that nobody imports and that is probably meant to be a plug.

    To be asked once everything is loaded: a file that a plug imports is plugged in by that.
    """
    for feature in (each for each in features if not each.only_classes):
        for path in sorted(feature.folder.glob("*.py")):
            plug = _meant(path.stem)
            is_loaded = f"{feature.package}.{path.stem}" in sys.modules
            if plug is not None and not is_loaded and not feature.has_file(plug):
                yield f"nothing imports {shown(path)}. Did you mean {plug}.py?"


def find_idle_admins(features: Iterable[Feature]) -> Iterator[str]:
    """A sentence for each ``admin.py`` that registers nothing."""
    from django.contrib import admin

    registry = admin.site._registry  # noqa: SLF001  # documented by Django for its checks' sake
    labels = {model._meta.app_label for model in registry}  # _meta is public by its documents
    modules = {type(each).__module__ for each in registry.values()}
    for feature in features:
        # One that is registered for the classes of others is written here; one that is written
        # elsewhere, or made by a function, is registered for a class of the feature.
        is_idle = feature.name not in labels and not any(
            each.startswith(f"{feature.package}.") for each in modules
        )
        if feature.has_file("admin") and is_idle:
            path = shown(feature.folder / "admin.py")
            yield f"{path} registers nothing: decorate a ModelAdmin with @register(TheClass)"


def _meant(name: str) -> str | None:
    if name in PLUGS or name.startswith("_"):
        return None
    close = difflib.get_close_matches(name.lower(), PLUGS, n=1, cutoff=0.85)
    return close[0] if close else OTHER_NAMES.get(name.lower())
