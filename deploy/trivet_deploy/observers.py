"""The observers that the settings name: metrics, traces and alarms of an installation."""

from importlib import import_module
from operator import attrgetter

from trivet import Platform
from trivet.errors import ConfigurationError


def register_observers(platform: Platform) -> None:
    """Call each function that `observers` of the settings names with ``platform.observers``.

    Raises ConfigurationError, with the target and the cure, if one cannot be imported or is no
    function. What the function itself raises keeps the application from starting.
    """
    for target in platform.settings.observers:
        module, _, attribute = target.partition(":")
        try:
            register = attrgetter(attribute)(import_module(module))
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                "observer",
                f"'{target}' of TRIVET_OBSERVERS cannot be imported: {error}. Check that the "
                "module is importable from here and has the function.",
            ) from error
        if not callable(register):
            raise ConfigurationError(
                "observer",
                f"'{target}' of TRIVET_OBSERVERS is no function. Name one that takes the "
                "observers and adds listeners (docs/observation.md).",
            )
        register(platform.observers)
