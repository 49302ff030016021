"""What the rows of a class are called where programs read it: in addresses, channels and events.

Where English has another plural, the table says it in its ``info``, as for the admin:
``{"verbose_name_plural": "aircraft"}``.
"""

import re
from typing import Any

from sqlalchemy import inspect

from trivet.models.labels import in_words

_IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_ES = ("s", "x", "z", "ch", "sh")


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


def plural_of(noun: str) -> str:
    """The name of several rows, as English has it in most cases."""
    irregular = next((end for end in _IRREGULAR if noun.endswith(end)), None)
    if irregular is not None:
        return f"{noun.removesuffix(irregular)}{_IRREGULAR[irregular]}"
    if noun.endswith("y") and noun[-2:-1] not in set("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(_ES) else f"{noun}s"


_IRREGULAR = {
    "person": "people",
    "child": "children",
    "woman": "women",
    "shelf": "shelves",
    "leaf": "leaves",
    "knife": "knives",
    "half": "halves",
    "criterion": "criteria",
    "medium": "media",
    "datum": "data",
}
"""Ends of nouns, each with that of several. Others stand in the table."""
