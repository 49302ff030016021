"""The static files of features, where Django's conventions have them.

``shop/static/shop/shop.css`` is `shop/shop.css` for ``{% static %}`` and for the `Media` of forms
and admins, and lies at ``/static/shop/shop.css``. Whatever else stands in ``shop/static`` is served
by the feature's ``web.py`` alone, if that says so.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.routing import BaseRoute

from trivet.errors import ConfigurationError
from trivet.features import Feature, modules_of
from trivet.web import folder_of, policy_of, public


def static_prefixes(features: Sequence[Feature]) -> Mapping[str, Path]:
    """The folder of each feature that has one, by the feature's name."""
    ours = [each for each in features if not each.only_classes]
    found = {each.name: each.folder / "static" / each.name for each in ours}
    return {name: folder for name, folder in found.items() if folder.is_dir()}


def refuse_hidden_files(features: Sequence[Feature], prefixes: Mapping[str, Path]) -> None:
    """Raise ConfigurationError if a ``web.py`` shows the files of `prefixes` to some people only:
    they lie at ``/static`` for everybody."""
    for feature, module in modules_of(features, "web"):
        folder = prefixes.get(feature.name)
        if folder and any(_hides(each, folder) for each in getattr(module, "routes", ())):
            raise ConfigurationError(
                "hidden-static-files",
                f"{feature.name}/static/{feature.name} is for everybody, as Django has it, and "
                f"web.py shows it under a policy of its own. Cure: move what is not for everybody "
                "into another folder.",
            )


def _hides(route: BaseRoute, folder: Path) -> bool:
    return folder_of(route) in (folder, *folder.parents) and policy_of(route) is not public
