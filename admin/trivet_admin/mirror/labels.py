"""The Django app that a mapped class belongs to."""

from typing import Any

from django.apps import apps

from trivet.errors import ConfigurationError

PLATFORM_LABEL = "trivet"
"""The app label of the platform's own mapped classes."""


def app_label_of(mapped: type[Any]) -> str:
    """The app label for the mirror of `mapped`: the feature that its module belongs to.

    Raises ConfigurationError for a class of a package that is no feature.
    """
    module = mapped.__module__
    if module.partition(".")[0] == "trivet":
        return PLATFORM_LABEL
    config = apps.get_containing_app_config(module)
    if config is None:
        raise ConfigurationError(
            "no-feature",
            f"{mapped.__name__} belongs to {module}, which is no feature: name its package in "
            "TRIVET_FEATURES.",
        )
    return config.label


def label_of_class(mapped: type[Any]) -> str:
    """``app_label.Name`` for the mirror of `mapped`."""
    return f"{app_label_of(mapped)}.{mapped.__name__}"
