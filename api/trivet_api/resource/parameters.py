"""The query string of a resource, read by the letter (docs/queries.md has the grammar).

All words that there are is known at the start. A word that is none of them, one that is there
twice, and a value that does not fit are refused, all at once and each with its place. What an actor
may not see is not there: its words are unknown.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from trivet.errors import InputError
from trivet.suggestion import did_you_mean
from trivet_api.resource import openapi_parameters
from trivet_api.resource.expanding import Expansion, paths_of, read_expansions, visible_paths
from trivet_api.resource.faults import REPEATED, UNKNOWN, TextFault, input_error, invalid
from trivet_api.resource.fields import Field
from trivet_api.resource.filters import Filter, FilterWord, filter_words
from trivet_api.resource.name_lists import require_known
from trivet_api.resource.operators import EQUAL
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.search_conditions import Searching
from trivet_api.resource.searching import Search, read_search
from trivet_api.resource.sorting import Sorting
from trivet_api.resource.statements import Sight
from trivet_api.resource.text_values import read_flag, read_integer

OF_READ = ("fields", "expand")
LIVE = "live"
"""Asks for the position of the channel to which changes of the class are published."""
RESERVED = ("sort", *OF_READ, "search", "count", "groups", "limit", "cursor", LIVE)
"""The words that are no filters. An attribute of such a name is filtered by ``sort.eq``."""
COUNTS = ("exact", "planned")
PAIRS_MAX = 200
"""Pairs of a name and a value in a query string."""
VALUES_MAX = 100
"""Values of one filter."""
GROUPED_MAX = 5
"""Attributes by which one answer counts."""
_CURSOR_LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Query:
    """What a query string asks for.

    Attributes:
        limit: The number of rows of a page.
        filters: In the order of their names, so that equal questions are equal.
        sort: The words of the order; None is the default.
        fields: The attributes to show, in the order of the class; None is all of them.
        expand: The relationships to expand.
        search: The words to look for.
        count: ``exact``, ``planned`` or None.
        groups: The attributes to count by.
        cursor: Where the page begins, unread.
        live: Whether the position of the live channel is wanted.
        asked: What a cursor is bound to: filters and search as they were written.
    """

    limit: int
    filters: tuple[Filter, ...] = ()
    sort: tuple[str, ...] | None = None
    fields: tuple[str, ...] | None = None
    expand: tuple[Expansion, ...] = ()
    search: Search | None = None
    count: str | None = None
    groups: tuple[str, ...] = ()
    cursor: str | None = None
    live: bool = False
    asked: str = ""

    @property
    def asks_once(self) -> bool:
        """Whether one statement answers it."""
        return not (self.expand or self.count or self.groups or self.live)


class Parameters:
    """The words that the query strings of a resource may have.

    Raises ConfigurationError where a declaration names what does not exist.
    """

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self.filters: Mapping[str, FilterWord] = filter_words(options)
        self.sorting = Sorting(options)
        self.searching = Searching(options)
        self.paths = paths_of(options)
        self.groups = tuple(
            word.field.name
            for word in self.filters.values()
            if not word.path and word.operator is EQUAL and word.name == word.field.name
        )
        self._plain = Query(options.page)

    def parse(self, query_string: bytes, sight: Sight) -> Query:
        """What the query string of a list asks for.

        Raises:
            Invalid: It does not fit; `errors` names every fault.
        """
        if not query_string:
            return self._plain
        return _Reading(self, self._options, sight, RESERVED).read(query_string)

    def parse_read(self, query_string: bytes, sight: Sight) -> Query:
        """The same for a single row, of which one asks ``fields`` and ``expand`` alone."""
        if not query_string:
            return self._plain
        return _Reading(self, self._options, sight, OF_READ).read(query_string)

    def show_texts(self, texts: Mapping[type[Any], Mapping[str, Field]]) -> None:
        """Describe the attributes of related classes that are in `texts` by these fields."""
        self.filters = {name: _as_text(word, texts) for name, word in self.filters.items()}

    def openapi(self) -> list[dict[str, Any]]:
        """The parameters of a list as OpenAPI describes them."""
        return [
            *map(openapi_parameters.of_filter, self._described()),
            *self._of_words([name for name in RESERVED if name != LIVE]),
        ]

    def openapi_of_read(self) -> list[dict[str, Any]]:
        """Those of a single row."""
        return list(self._of_words(OF_READ))

    def _described(self) -> Iterator[FilterWord]:
        """Each filter once: the name alone says ``eq``, unless it means something else."""
        for word in self.filters.values():
            short = word.name.removesuffix(".eq")
            is_alias = short != word.name and short not in RESERVED
            if not is_alias and word.name not in RESERVED:
                yield word

    def _of_words(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        choices: dict[str, Sequence[str]] = {
            "sort": tuple(self.sorting.allowed),
            "fields": self._options.names,
            "expand": self.paths,
            "groups": self.groups,
            "search": self.searching.names,
            "count": COUNTS,
        }
        for name in names:
            if choices.get(name, True):
                yield openapi_parameters.of_word(
                    name, choices.get(name, ()), self._options.page, self._options.page_max
                )


class _Reading:
    """The reading of one query string."""

    def __init__(
        self,
        parameters: Parameters,
        options: ReadOptions,
        sight: Sight,
        reserved: Sequence[str],
    ) -> None:
        self._parameters = parameters
        self._options = options
        self._sight = sight
        self._is_list = reserved is RESERVED
        self._hidden = sight.hidden(options.model)
        self._reserved = [name for name in reserved if self._choices(name)]
        self._faults: dict[str, InputError] = {}

    def _choices(self, name: str) -> Sequence[str]:
        """What the actor may name in a word; a word without any is unknown."""
        every: Mapping[str, Sequence[str]] = {
            "sort": tuple(self._parameters.sorting.allowed),
            "fields": self._options.names,
            "groups": self._parameters.groups,
            "search": self._parameters.searching.names,
        }
        if name == "expand":
            return visible_paths(self._options, self._parameters.paths, self._sight)
        if name not in every:
            return (name,)
        return [each for each in every[name] if each not in self._hidden]

    def read(self, query_string: bytes) -> Query:
        given: dict[str, list[str]] = {}
        for name, value in self._pairs(query_string):
            given.setdefault(name, []).append(value)
        filters = self._read_filters(given)
        query = Query(self._options.page, filters, asked=_asked(given, filters))
        for name, values in given.items():
            if name in self._reserved:
                query = self._read_word(query, name, values)
            elif name in RESERVED or not self._is_filter(name):
                self._note(name, self._unknown(name))
        if self._faults:
            raise invalid(list(self._faults.values()))
        return query

    def _pairs(self, query_string: bytes) -> Iterator[tuple[str, str]]:
        parts = [part for part in query_string.split(b"&") if part]
        if len(parts) > PAIRS_MAX:
            raise invalid([input_error("", f"give at most {PAIRS_MAX} parameters")])
        for part in parts:
            name, _, value = part.replace(b"+", b" ").partition(b"=")
            shown = unquote_to_bytes(name).decode("utf-8", "replace")
            try:
                yield unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()
            except UnicodeDecodeError:
                self._note(shown, "it is not written in UTF-8")

    def _is_filter(self, name: str) -> bool:
        word = self._parameters.filters.get(name)
        return self._is_list and word is not None and not word.is_hidden(self._sight)

    def _read_filters(self, given: Mapping[str, list[str]]) -> tuple[Filter, ...]:
        found: dict[str, Filter] = {}
        for name in sorted(given):
            if name in RESERVED or not self._is_filter(name):
                continue
            word = self._parameters.filters[name]
            values = self._values(word, name, given[name])
            full = name if name.endswith(f".{word.operator.name}") else f"{name}.eq"
            if full in found:  # it was written with and without its operator
                values = (*found[full].values, *values)
            if values:
                found[full] = Filter(self._parameters.filters[full], values)
        return tuple(found.values())

    def _values(self, word: FilterWord, name: str, texts: Sequence[str]) -> tuple[Any, ...]:
        if len(texts) > 1 and not word.operator.takes_many:
            self._note(name, REPEATED)
            return ()
        if len(texts) > VALUES_MAX:
            self._note(name, f"give at most {VALUES_MAX} values")
            return ()
        try:
            return tuple(word.read(text) for text in texts)
        except TextFault as fault:
            self._note(name, str(fault))
            return ()

    def _read_word(self, query: Query, name: str, texts: Sequence[str]) -> Query:
        if len(texts) > 1:
            self._note(name, REPEATED)
            return query
        readers: dict[str, Callable[[str], Any]] = {
            "sort": lambda text: self._parameters.sorting.read(text, self._hidden),
            "fields": self._read_fields,
            "expand": self._read_expand,
            "search": read_search,
            "count": _read_count,
            "groups": self._read_groups,
            "limit": self._read_limit,
            "cursor": _read_cursor,
            LIVE: read_flag,
        }
        try:
            return replace(query, **{name: readers[name](texts[0])})
        except TextFault as fault:
            self._note(name, str(fault))
            return query

    def _read_fields(self, text: str) -> tuple[str, ...]:
        known, relations = self._choices("fields"), self._choices("expand")
        for name in text.split(","):
            relation = name.partition(".")[0]
            if name not in known and relation in relations:
                raise TextFault(f"{relation} is a relationship: write expand={relation}")
        wanted = text.split(",")
        require_known(wanted, known, "{} is no attribute".format)
        return tuple(name for name in known if name in wanted)

    def _read_expand(self, text: str) -> tuple[Expansion, ...]:
        return read_expansions(text, self._choices("expand"))

    def _read_groups(self, text: str) -> tuple[str, ...]:
        wanted = text.split(",")
        require_known(wanted, self._choices("groups"), "{} is no attribute to count by".format)
        if len(wanted) > GROUPED_MAX:
            raise TextFault(f"name at most {GROUPED_MAX}")
        return tuple(wanted)

    def _read_limit(self, text: str) -> int:
        number = read_integer(text)
        if not 1 <= number <= self._options.page_max:
            raise TextFault(f"write a number from 1 to {self._options.page_max}")
        return number

    def _unknown(self, name: str) -> str:
        filters = [each for each in self._parameters.filters if self._is_filter(each)]
        # A word of the grammar that this resource does not have is nothing to propose.
        words = [each for each in (*self._reserved, *filters) if each != name]
        hint = did_you_mean(name, words)
        return UNKNOWN if hint == "." else UNKNOWN + hint

    def _note(self, name: str, detail: str) -> None:
        self._faults.setdefault(name, input_error(name, detail))


def _as_text(word: FilterWord, texts: Mapping[type[Any], Mapping[str, Field]]) -> FilterWord:
    there = texts.get(word.path[-1].target, {}) if word.path else {}
    return replace(word, field=there.get(word.field.name, word.field))


def _asked(given: Mapping[str, list[str]], filters: Sequence[Filter]) -> str:
    """What decides which rows are in the list, as it was written."""
    if not filters and "search" not in given:
        return ""
    words = sorted({each.word.name for each in filters} | {"search"})
    short = {word.removesuffix(".eq"): word for word in words}
    found = sorted(
        (short.get(name, name), sorted(values))
        for name, values in given.items()
        if name in words or name in short
    )
    return msgspec.json.encode(found).decode()


def _read_count(text: str) -> str:
    if text not in COUNTS:
        raise TextFault(f"write {' or '.join(COUNTS)}")
    return text


def _read_cursor(text: str) -> str:
    if not text or len(text) > _CURSOR_LONGEST or not text.isascii():
        raise TextFault("not a cursor of this list")
    return text
