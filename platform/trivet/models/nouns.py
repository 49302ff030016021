"""One row and several rows in English: `plural_of` and `singular_of`.

Addresses, channels, the admin and `trivet new` call rows by these words, so there is one answer for
all of them. Rules cover most nouns; the tables here hold those that a program is likely to be
about. Of ``flight_segment`` and ``flight segment`` it is the last word that changes.

Where English has another plural, a table says it in its ``info``: see `trivet.models.naming`.
"""

import re
from collections.abc import Callable, Mapping
from itertools import takewhile
from operator import eq

_LAST_WORD = re.compile(r"[^\W_]+\Z")
_ES = ("s", "x", "z", "ch", "sh")

_ONE_FORM = frozenset(
    {"aircraft", "data", "deer", "equipment", "feedback", "fish", "furniture", "hardware"}
    | {"information", "luggage", "media", "metadata", "music", "news", "series", "sheep"}
    | {"software", "species", "staff"}
)
"""Nouns of which one and several are called alike, or that have no singular in use."""

_IRREGULAR = {
    "person": "people",
    "child": "children",
    "woman": "women",
    "shelf": "shelves",
    "leaf": "leaves",
    "knife": "knives",
    "criterion": "criteria",
    "medium": "media",
    "datum": "data",
}
"""Nouns, and ends of nouns (``grandchild``), each with that of several."""

_IRREGULAR_WORDS = {
    "man": "men",
    "foot": "feet",
    "tooth": "teeth",
    "goose": "geese",
    "mouse": "mice",
    "half": "halves",
    "life": "lives",
    "wife": "wives",
    "wolf": "wolves",
    "loaf": "loaves",
    "calf": "calves",
    "thief": "thieves",
    "scarf": "scarves",
    "quiz": "quizzes",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "echo": "echoes",
    "veto": "vetoes",
    "matrix": "matrices",
    "vertex": "vertices",
    "axis": "axes",
    "phenomenon": "phenomena",
    "alumnus": "alumni",
    "analysis": "analyses",
    "basis": "bases",
    "crisis": "crises",
    "diagnosis": "diagnoses",
    "thesis": "theses",
    "hypothesis": "hypotheses",
    "synopsis": "synopses",
    "emphasis": "emphases",
}
"""Nouns that are no end of others: a human is no man with something in front."""
_SEVERAL = {several: one for one, several in _IRREGULAR.items() if several not in _ONE_FORM}
_SEVERAL_WORDS = {several: one for one, several in _IRREGULAR_WORDS.items() if one != "basis"}

_IN_S = frozenset(
    {"alias", "atlas", "bias", "canvas", "chaos", "cosmos", "gas", "lens", "pancreas", "gps"}
    | {"sms", "dns", "cms", "pos", "ios", "aws", "os"}
)
"""Nouns in s that are one thing, beside those in ss, us and is."""
_IN_IE = frozenset(
    {"brownie", "calorie", "cookie", "foodie", "genie", "goalie", "hoodie", "lie", "movie"}
    | {"newbie", "pie", "prairie", "rookie", "selfie", "smoothie", "tie", "veggie", "zombie"}
)
_IN_E = frozenset(
    {"ache", "avalanche", "cache", "headache", "niche", "quiche"}
    | {"canoe", "shoe", "toe"}
    | {"abuse", "excuse", "fuse", "muse", "recluse", "refuse", "ruse", "use"}
)
"""Nouns whose e belongs to them, where rules would take it for a part of the plural's es."""


def plural_of(noun: str) -> str:
    """The name of several rows. A noun that is a plural already stays as it is."""
    return _by_last_word(noun, _plural)


def singular_of(noun: str) -> str:
    """One of what a plural names. A noun that is no plural stays as it is."""
    return _by_last_word(noun, _singular)


def _plural(word: str) -> str:
    if word in _ONE_FORM or word in _SEVERAL_WORDS or word.endswith(tuple(_SEVERAL)):
        return word
    if word in _IRREGULAR_WORDS:
        return _IRREGULAR_WORDS[word]
    if (end := _end_of(word, _IRREGULAR)) is not None:
        return f"{word.removesuffix(end)}{_IRREGULAR[end]}"
    if _singular(word) != word:
        return word
    if word.endswith("y") and word[-2:-1] not in set("aeiou"):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(_ES) else f"{word}s"


def _singular(word: str) -> str:
    if word in _ONE_FORM or word in _IN_S:
        return word
    if word in _SEVERAL_WORDS:
        return _SEVERAL_WORDS[word]
    if (end := _end_of(word, _SEVERAL)) is not None:
        return f"{word.removesuffix(end)}{_SEVERAL[end]}"
    if not word.endswith("s") or word.endswith(("ss", "us", "is")) or len(word) < 3:
        return word
    without = word[:-1]
    if without in _IN_IE or without in _IN_E:
        return without
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word[:-2] if _is_es(word) else without


def _is_es(word: str) -> bool:
    """Whether the plural `word` has its es behind a whole noun: boxes, and not sizes."""
    if word[:-2] in _IN_S:
        return True
    if word.endswith("uses"):  # statuses and radiuses, but causes and houses
        return word[-5:-4] not in "aeo"
    return word.endswith(("ches", "shes", "sses", "xes", "oes", "zzes", "tzes"))


def _end_of(word: str, ends: Mapping[str, str]) -> str | None:
    return next((end for end in ends if word.endswith(end)), None)


def _by_last_word(noun: str, change: Callable[[str], str]) -> str:
    found = _LAST_WORD.search(noun)
    if found is None:
        return noun
    word = found[0].lower()
    changed = change(word)
    # An abbreviation keeps its letters: APIs, and not apis.
    shared = len(list(takewhile(bool, map(eq, word, changed))))
    return f"{noun[: found.start() + shared]}{changed[shared:]}" if changed != word else noun
