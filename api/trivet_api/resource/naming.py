"""What a resource is called: in its address, in its operations, in its permissions.

A class ``FlightSegment`` is served at ``/flight-segments``, its operations are
``list_flight_segments`` and ``read_flight_segment``, and its permissions are those that Django
makes for it, which the admin asks too.
"""

import re
from typing import Any

from trivet.errors import ConfigurationError
from trivet.models.mapped import find_naming_feature
from trivet.models.naming import plural_identifier_of

_PATH = re.compile(r"(/[a-z0-9]+(?:[-_.][a-z0-9]+)*)+")


def path_of(model: type[Any], given: str | None) -> str:
    """The address of a resource below its feature.

    Raises ConfigurationError for a text that is no such address.
    """
    if given is None:
        return f"/{plural_identifier_of(model).replace('_', '-')}"
    if not _PATH.fullmatch(given):
        raise ConfigurationError(
            "resource",
            f"resource({model.__name__}, path={given!r}): write it as '/flight-segments', in "
            "small letters, digits and hyphens, with a slash before and none behind.",
        )
    return given


def permission_of(model: type[Any], action: str) -> str:
    """The permission that Django makes for rows of `model`: ``library.view_book``."""
    feature = find_naming_feature(model) or model.__module__.rpartition(".")[0].rpartition(".")[2]
    return f"{feature}.{action}_{model.__name__.lower()}"
