"""Keys that a database takes for the same, though Python does not: texts of a type or under a
collation for which case is nothing (``CITEXT``, SQLite's ``NOCASE``)."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

Key = tuple[Any, ...]
T = TypeVar("T")


def matched(
    asked: Iterable[Key], found: Mapping[Key, T], ask: Callable[[Key], T | None]
) -> dict[Key, T]:
    """What the database has found for each of the keys that it was asked for.

    Args:
        asked: The keys.
        found: What was found for all of them, by the keys that it has there.
        ask: Finds what one key alone stands for; called where something was found that has none of
            the keys.
    """
    keys = dict.fromkeys(asked)
    known = {key: found[key] for key in keys if key in found}
    if len(found) > len(known):
        for key in keys:
            if key not in known and (one := ask(key)) is not None:
                known[key] = one
    return known
