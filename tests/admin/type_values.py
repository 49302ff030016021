"""Values of every type of column."""

import datetime as dt
import ipaddress
import string
from decimal import Decimal
from functools import partial
from typing import Any

from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import Range

from tests.admin.assorted import decorators
from tests.admin.assorted.models import Colour

naive = st.datetimes(dt.datetime(1, 1, 3), dt.datetime(9999, 12, 29))  # noqa: DTZ001  # without a zone, on purpose
aware = naive.map(lambda at: at.replace(tzinfo=dt.UTC))
zones = st.integers(-14, 14).map(lambda hours: dt.timezone(dt.timedelta(hours=hours)))
aware_anywhere = st.tuples(aware, zones).map(lambda pair: pair[0].astimezone(pair[1]))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
small = st.decimals(-(10**6), 10**6, places=2, allow_nan=False)
leaves = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), texts, small.map(float))
documents = st.recursive(
    leaves,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(texts, each, max_size=3),
    max_leaves=6,
)
filled = st.one_of(
    st.dictionaries(texts, documents, max_size=3), st.lists(documents, max_size=3), texts
)
wholes = st.integers(-(2**31), 2**31 - 1)
spans = st.timedeltas(dt.timedelta(days=-700_000), dt.timedelta(days=2_000_000))
words = st.text(string.ascii_lowercase, min_size=1, max_size=5)
colours = st.sampled_from(Colour)


def ranges(ends: st.SearchStrategy[Any], bounds: str = "[)") -> st.SearchStrategy[Any]:
    """Ranges in the form in which PostgreSQL gives them back."""
    pairs = st.tuples(ends, ends).map(sorted).filter(lambda pair: pair[0] != pair[1])
    given: Any = bounds
    return st.one_of(
        pairs.map(lambda pair: Range(*pair, bounds=given)),
        ends.map(lambda lower: Range(lower, None, bounds=given)),
        ends.map(lambda upper: Range(None, upper, bounds="()")),
        st.just(Range(None, None, bounds="()")),
        st.just(Range(empty=True)),
    )


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.none() | items, max_size=4)


def networks(shortest: int, longest: int, kind: Any) -> st.SearchStrategy[Any]:
    lengths = st.integers(shortest, longest)
    return st.tuples(st.ip_addresses(), lengths).map(lambda pair: kind(f"{pair[0]}/{pair[1]}"))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "aware": aware_anywhere,
    "wall": naive,
    "berlin": naive,
    "clock": st.times(),
    "span": spans,
    "document": filled,
    "document_variant": filled,
    "document_null": filled,
    "by_name": colours,
    "by_name_in_text": colours,
    "by_value": colours,
    "word_of_list": st.sampled_from(["one", "two"]),
    "number": small,
    "number_as_float": st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    "float_as_decimal": small,
    "token": st.uuids(),
    "token_text": st.uuids().map(str),
    "token_char": st.uuids(),
    "token_variant": st.uuids().map(str),
    "blob": st.binary(max_size=20),
    "pickled": st.one_of(naive, st.dictionaries(st.tuples(texts), wholes), filled, st.just(object)),
    "items": st.lists(wholes, max_size=4),
    "zoned": aware_anywhere,
    "unzoned": aware_anywhere,
    "epoch": aware_anywhere,
    "json_text": filled,
    "json_typed": filled,
    "address": st.builds(decorators.Address, street=texts, number=wholes),
    "guid": st.uuids(),
    "guid_in_bytes": st.uuids(),
    "auto": texts,
    "lower": words,
    "host": st.ip_addresses(),
    "secret": texts,
    "cents": st.integers(-(10**8), 10**8).map(lambda cents: Decimal(cents) / 100),
    "yes_no": st.booleans(),
    "words": st.lists(words, min_size=1, max_size=3),
    "level": st.sampled_from(decorators.Level),
    "password": words.map(decorators.Password),
    "whole_array": lists(wholes),
    "text_array": lists(texts),
    "day_array": lists(st.dates()),
    "aware_array": lists(aware),
    "number_array": lists(st.decimals(-(10**5), 10**5, places=2, allow_nan=False)),
    "token_array": lists(st.uuids()),
    "document_array": lists(filled),
    "documents_of_old": lists(filled.filter(lambda each: not isinstance(each, list))),
    "matrix": st.integers(1, 3).flatmap(
        lambda width: st.lists(st.lists(wholes, min_size=width, max_size=width), max_size=3)
    ),
    "whole_range": ranges(st.integers(-(10**9), 10**9)),
    "big_range": ranges(st.integers(-(2**60), 2**60)),
    "number_range": ranges(small, "[]"),
    "day_range": ranges(st.dates(dt.date(1, 1, 1), dt.date(9999, 1, 1))),
    "wall_range": ranges(naive, "(]"),
    "aware_range": ranges(aware, "[]"),
    "ranges": st.lists(ranges(st.integers(0, 9)), max_size=1).filter(
        lambda each: not (each and each[0].isempty)
    ),
    "inet": st.one_of(st.ip_addresses(), networks(1, 31, ipaddress.ip_interface)),
    "cidr": networks(0, 32, partial(ipaddress.ip_network, strict=False)),
    "macaddr": st.binary(min_size=6, max_size=6).map(lambda octets: octets.hex(":")),
    "interval": spans,
    "vector": words.map(lambda word: f"'{word}'"),
    "jsonb": filled,
    "point": st.tuples(st.integers(0, 9), st.integers(0, 9)).map(
        lambda ends: "({},{})".format(*ends)
    ),
    "pairs": st.dictionaries(texts, st.none() | texts, max_size=3),
    "any_case": texts,
}
"""A value for every type."""


UNEQUAL = frozenset({"secret", "pickled"})
"""Those that are stored otherwise each time, so that no database finds them."""


NOT_EQUAL_IN_SQL = frozenset(
    {"document", "document_variant", "document_null", "address", "jsonb", "vector", "point"}
    | {"documents_of_old", "document_array"}
)
"""Those that SQLAlchemy itself cannot compare with any value; Django's fields can."""
