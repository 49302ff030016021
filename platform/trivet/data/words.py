"""The words of a text on SQLite, where no index knows them: as FTS5 has them in an index."""

import unicodedata

HAS_WORDS = "trivet_has_words"
"""The function of SQLite: whether a text has words one behind the other."""


class _Letters(dict[int, str]):
    """Each character as it stands in a word; a blank for one that stands in none. It knows a
    character when it has met it."""

    def __missing__(self, number: int) -> str:
        self[number] = found = _folded(chr(number))
        return found


def _folded(character: str) -> str:
    if unicodedata.category(character)[0] not in "LMN":
        return " "
    # One character for one, as FTS5 does it: ß stays.
    simple = (character.casefold(), character.lower(), character)
    return next(each for each in simple if len(each) == 1)


_letters = _Letters()


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case: letters, marks and digits that stand together."""
    return text.translate(_letters).split()


def has_words(text: str | None, words: str) -> bool | None:
    """Whether `text` has `words`, which are as `words_of` has them, one behind the other; None for
    no text."""
    if text is None:
        return None
    return f" {words} " in f" {' '.join(words_of(text))} "
