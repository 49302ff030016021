"""Words in texts: PostgreSQL's full text, and on SQLite each word by itself.

On PostgreSQL a search is ``websearch_to_tsquery`` with the configuration ``simple``, which knows
whole words of any language in upper and lower case. `document` says what has to be indexed. On
SQLite the same words are looked for with LIKE, in every text and also within words
(docs/decisions/0142).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, func, literal_column, not_, or_
from sqlalchemy.dialects.postgresql import TSVECTOR

from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource.faults import TextFault
from trivet_api.resource.operators import is_text
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.text_values import read_text

Condition = ColumnElement[bool]
LONGEST = 200
"""In characters."""
_WORDS_MAX = 20
_CONFIGURATION: Any = literal_column("'simple'::regconfig")
_TOKEN = re.compile(r'(-?)"([^"]*)"|(-?)([^\s"]+)')


@dataclass(frozen=True, slots=True)
class Word:
    """A word or a phrase of a search; with `absent` it must not be there. One that `begins` an
    alternative stands behind an ``or``."""

    text: str
    absent: bool = False
    begins: bool = False

    @property
    def pattern(self) -> str:
        """The pattern of LIKE that finds it."""
        escaped = self.text
        for sign in ("\\", "%", "_"):
            escaped = escaped.replace(sign, f"\\{sign}")
        return f"%{escaped}%"


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: the text as it was given, and its words."""

    text: str
    words: tuple[Word, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it decides the text of the statement."""
        return tuple((word.absent, word.begins) for word in self.words)

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters on either database."""
        each = {f"s{at}": word.pattern for at, word in enumerate(self.words)}
        return {"search": self.text, **each}


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
    for minus, phrase, other_minus, word in _TOKEN.findall(text):
        is_or = word.lower() == "or" and not other_minus and bool(found)
        content = (phrase or word).strip()
        if is_or or not any(map(str.isalnum, content)):
            begins = begins or is_or
            continue
        found.append(Word(content, bool(minus or other_minus), begins))
        begins = False
    return tuple(found)


class Searching:
    """The search of a resource.

    Raises ConfigurationError for an attribute that holds no text.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.names = options.search
        self._columns = {name: _column(options, name) for name in options.search}

    def visible(self, hidden: frozenset[str]) -> tuple[str, ...]:
        """The attributes in which an actor may look."""
        return tuple(name for name in self.names if name not in hidden)

    def condition(
        self, search: Search, hidden: frozenset[str], *, is_postgresql: bool
    ) -> Condition:
        """The condition that a row is found."""
        columns = [self._columns[name] for name in self.visible(hidden)]
        return _full_text(columns) if is_postgresql else _each_word(columns, search)


def document(columns: Sequence[Any]) -> ColumnElement[Any]:
    """The expression in which PostgreSQL looks, and which its index has to have."""
    first, *others = columns
    if not others:
        return first if isinstance(first.type, TSVECTOR) else _vector(first)
    text: Any = func.coalesce(first, literal_column("''"))
    for each in others:
        text = text.concat(literal_column("' '")).concat(func.coalesce(each, literal_column("''")))
    return _vector(text)


def _vector(text: Any) -> ColumnElement[Any]:
    return func.to_tsvector(_CONFIGURATION, text, type_=TSVECTOR())


def _full_text(columns: Sequence[Any]) -> Condition:
    wanted = func.websearch_to_tsquery(_CONFIGURATION, bindparam("search", type_=String()))
    found: Condition = document(columns).bool_op("@@")(wanted)
    return found


def _each_word(columns: Sequence[Any], search: Search) -> Condition:
    alternatives: list[list[Condition]] = [[]]
    for at, word in enumerate(search.words):
        if word.begins:
            alternatives.append([])
        pattern: Any = bindparam(f"s{at}", type_=String())
        texts = (func.coalesce(column, literal_column("''")) for column in columns)
        found = or_(*(text.ilike(pattern, escape="\\") for text in texts))
        alternatives[-1].append(not_(found) if word.absent else found)
    return or_(*(and_(*each) for each in alternatives))


def _column(options: ReadOptions, name: str) -> Any:
    field = options.fields.get(name)
    if field is not None and is_text(field):
        return field.attribute
    found = getattr(options.model, name, None)
    if field is None and isinstance(getattr(found, "type", None), TSVECTOR):
        return found
    raise ConfigurationError(
        "resource",
        f"resource({options.model.__name__}): it cannot search in {name!r}, which is no readable "
        f"text{did_you_mean(name, options.fields)}",
    )
