"""The words of a search, by one grammar on both databases.

PostgreSQL is given the text as it is, for ``websearch_to_tsquery`` has the same grammar. For SQLite
it is read here, into what FTS5 understands, or into words that are looked for in each text
(`trivet_api.resource.search_conditions`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from trivet.data.words import words_of
from trivet_api.resource.faults import TextFault
from trivet_api.resource.text_values import read_text

LONGEST = 200
"""In characters."""
_WORDS_MAX = 20
_VAGUE = re.compile(r"[ks]|[^\x00-\x7f]")
_TOKEN = re.compile(r'(-?)"([^"]*)"|(-?)([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a phrase of a search; with `absent` it must not be there. One that `begins` an
    alternative stands behind an ``or``."""

    text: str
    absent: bool = False
    begins: bool = False

    @property
    def words(self) -> str:
        """Its words as SQLite has them, with a blank between two."""
        return " ".join(words_of(self.text))

    @property
    def pattern(self) -> str:
        """A pattern of LIKE for every text that has it, and for others: LIKE folds the letters of
        ASCII alone, and of these k and s are folded of others too."""
        return f"%{_VAGUE.sub('_', self.words).replace(' ', '%')}%"


@dataclass(frozen=True)
class Search:
    """What is looked for: the text as it was given, and its words."""

    text: str
    words: tuple[Word, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it decides the text of the statement."""
        return tuple((word.absent, word.begins) for word in self.words)

    @cached_property
    def alternatives(self) -> tuple[tuple[Word, ...], ...]:
        """The words between one ``or`` and the next."""
        found: list[list[Word]] = [[]]
        for word in self.words:
            if word.begins:
                found.append([])
            found[-1].append(word)
        return tuple(map(tuple, found))

    @property
    def wanted(self) -> str:
        """What FTS5 has to find: the alternatives that name a word which is there."""
        return " OR ".join(_wanted(each) for each in self.alternatives if not _only_absent(each))

    @property
    def unwanted(self) -> str:
        """What FTS5 must not find, or else has to find `wanted`: the other alternatives. Empty if
        there are none."""
        return " AND ".join(
            f"({' OR '.join(map(_phrase, each))})"
            for each in self.alternatives
            if _only_absent(each)
        )

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters on either database, with an index and without."""
        found = {"search": self.text, "wanted": self.wanted, "unwanted": self.unwanted}
        for at, word in enumerate(self.words):
            found |= {f"s{at}": word.pattern, f"w{at}": word.words}
        return found


def _only_absent(words: Sequence[Word]) -> bool:
    return all(word.absent for word in words)


def _wanted(words: Sequence[Word]) -> str:
    there = " AND ".join(_phrase(word) for word in words if not word.absent)
    absent = " OR ".join(_phrase(word) for word in words if word.absent)
    return f"(({there}) NOT ({absent}))" if absent else f"({there})"


def _phrase(word: Word) -> str:
    # Nothing but letters, digits and blanks is in it: no text of a user is syntax of FTS5.
    return f'"{word.words}"'


def read_search(text: str) -> Search:
    """The search that a text asks for. Raises `TextFault` for one without a word."""
    if len(text) > LONGEST:
        raise TextFault(f"write at most {LONGEST} characters")
    words = _words(read_text(text))
    if not any(not word.absent for word in words):
        raise TextFault("write a word to look for")
    if len(words) > _WORDS_MAX:
        raise TextFault(f"write at most {_WORDS_MAX} words")
    return Search(text, words)


def _words(text: str) -> tuple[Word, ...]:
    found: list[Word] = []
    begins = False
    for token in _TOKEN.finditer(text):
        minus, phrase, other_minus, word = (each or "" for each in token.groups())
        is_or = word.lower() == "or" and not other_minus
        # Between two words it is none, and else one like any other, as PostgreSQL has it.
        is_or = is_or and bool(found) and not begins and bool(text[token.end() :].strip())
        content = (phrase or word).strip()
        if is_or or not words_of(content):
            begins = begins or is_or
            continue
        found.append(Word(content, bool(minus or other_minus), begins))
        begins = False
    return tuple(found)
