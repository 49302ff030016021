"""What the rows of a class are called where programs read it: in addresses, channels and events.

Where English has another plural, the table says it in its ``info``, as for the admin:
``{"verbose_name_plural": "aircraft"}``.
"""

import re
from typing import Any

from sqlalchemy import inspect

from trivet.models.labels import in_words
from trivet.models.nouns import plural_of

_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def identifier_of(model: type[Any]) -> str:
    """The name of one row: ``flight_segment``."""
    return in_words(model.__name__).lower().replace(" ", "_")


def plural_identifier_of(model: type[Any]) -> str:
    """The name of several rows: ``flight_segments``, or the one that the class is given, if it can
    be an identifier."""
    given = _given_plural(model)
    name = "" if given is None else re.sub(r"[\s-]+", "_", given.strip().lower())
    return name if _IDENTIFIER.fullmatch(name) else plural_of(identifier_of(model))


def _given_plural(model: type[Any]) -> str | None:
    """What the table of `model` says; the table of a base says it of the base."""
    mapper = inspect(model)
    if mapper.inherits is not None and mapper.inherits.local_table is mapper.local_table:
        return None
    given = getattr(mapper.local_table, "info", {}).get("verbose_name_plural")
    return given if isinstance(given, str) else None
