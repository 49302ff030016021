"""What the rows of a class are called where programs read it: in addresses, channels and events."""

from typing import Any

from trivet.models.labels import in_words

_ES = ("s", "x", "z", "ch", "sh")


def identifier_of(model: type[Any]) -> str:
    """The name of one row: ``flight_segment``."""
    return in_words(model.__name__).lower().replace(" ", "_")


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
"""Ends of nouns, each with that of several. Others have `path=` and `channel=`."""
