"""Every word of a query string is known, is there once and has a value that fits; or it is refused,
all at once, and each by its name."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.api.resource.query_classes import QueryAuthor, QueryBook, QueryCountry, QuerySeat
from tests.api.resource.reading import ANYBODY, options_of
from trivet import Identity
from trivet.errors import ConfigurationError, Invalid
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible
from trivet_api.resource.parameters import Parameters, Query
from trivet_api.resource.statements import Sight

AUTHOR = options_of(QueryAuthor, expand={"country": options_of(QueryCountry)})
BOOKS = Parameters(
    options_of(
        QueryBook,
        filters=("*", "author.name", "author.country.name", "tags.label"),
        sorts=("price", "title"),
        expand={"author": AUTHOR},
        search=("title", "notes"),
    )
)
SEATS = Parameters(options_of(QuerySeat))
PLAIN = RuleRegistry()


def parse(parameters: Parameters, query: str | bytes, rules: RuleRegistry = PLAIN) -> Query:
    raw = query if isinstance(query, bytes) else query.encode()
    return parameters.parse(raw, Sight(rules, ANYBODY, has_policy=True))


def faults(parameters: Parameters, query: str | bytes, rules: RuleRegistry = PLAIN) -> Any:
    with pytest.raises(Invalid) as refused:
        parse(parameters, query, rules)
    assert {each["in"] for each in refused.value.data["errors"]} == {"query"}
    return {each["pointer"]: each["detail"] for each in refused.value.data["errors"]}


REFUSED: Iterable[tuple[str | bytes, str]] = (
    # words
    ("colour=red", "/colour"),
    ("titel=x", "/titel"),
    ("Title=x", "/Title"),
    ("title.like=x", "/title.like"),
    ("price.contains=1", "/price.contains"),
    ("status.gt=live", "/status.gt"),
    ("title.null=true", "/title.null"),
    ("author.email=x", "/author.email"),
    ("author=1", "/author"),
    ("author.country.name.name=x", "/author.country.name.name"),
    ("a/b~c=1", "/a~1b~0c"),
    ("=1", "/"),
    # twice
    ("limit=1&limit=1", "/limit"),
    ("price.gte=1&price.gte=2", "/price.gte"),
    ("sort=price&sort=title", "/sort"),
    # values of other types
    ("pages=", "/pages"),
    ("pages=5.0", "/pages"),
    ("pages=+5", "/pages"),
    ("pages=1_000", "/pages"),
    ("pages=%d9%a3", "/pages"),
    ("pages=2147483648", "/pages"),
    ("pages=-99999999999999999999999", "/pages"),
    ("id=9223372036854775808", "/id"),
    ("pages=1&pages=x", "/pages"),
    ("price=NaN", "/price"),
    ("price.lt=Infinity", "/price.lt"),
    ("price=1e3", "/price"),
    ("price=12.345", "/price"),
    ("price=1234567.00", "/price"),
    ("price.null=1", "/price.null"),
    ("status=LIVE", "/status"),
    ("published_at=0", "/published_at"),
    ("published_at=2013-02-04T10:00:00", "/published_at"),
    ("published_at.gt=0001-01-01T00:00:00%2B14:00", "/published_at.gt"),
    ("published_at.lt=9999-12-31T23:59:59-01:00", "/published_at.lt"),
    # texts that are none
    ("title=%00", "/title"),
    ("title.contains=a%00b", "/title.contains"),
    ("title=%ff", "/title"),
    (b"title=\xff", "/title"),
    ("title=%ed%a0%80", "/title"),
    ("search=%ed%a0%80", "/search"),
    ("title.contains=", "/title.contains"),
    ("title.contains=" + "x" * 1001, "/title.contains"),
    # lists that are too long
    ("&".join(f"pages={at}" for at in range(101)), "/pages"),
    # orders, fields, expansions
    ("sort=pages", "/sort"),
    ("sort=", "/sort"),
    ("sort=price,-price", "/sort"),
    ("sort=--price", "/sort"),
    ("sort=price,,title", "/sort"),
    ("fields=title,colour", "/fields"),
    ("fields=title,title", "/fields"),
    ("fields=", "/fields"),
    ("expand=tags", "/expand"),
    ("expand=author.books", "/expand"),
    ("expand=author.country.authors.country.authors", "/expand"),
    ("search=", "/search"),
    ("search=-without", "/search"),
    ("search=%22%22", "/search"),
    ("search=" + "x" * 201, "/search"),
    ("count=about", "/count"),
    ("groups=author", "/groups"),
    ("groups=id,title,price,pages,status,sort", "/groups"),
    ("limit=0", "/limit"),
    ("limit=201", "/limit"),
    ("limit=ten", "/limit"),
    ("cursor=", "/cursor"),
    ("cursor=%c3%bc", "/cursor"),
)


@pytest.mark.parametrize(("query", "pointer"), REFUSED)
def test_what_cannot_be_meant_is_refused_at_its_place(query: str | bytes, pointer: str) -> None:
    assert list(faults(BOOKS, query)) == [pointer]


@pytest.mark.parametrize(
    "query",
    [
        "double=NaN",
        "double=Infinity",
        "double.gt=1e999",
        "single=-inf",
        "flag=yes",
        "flag=1",
        "day=20130204",
        "day=0",
        "day=2013-02-30",
        "time=25:00",
        "time=noon",
        "span=5",
        "span=P999999999D",
        "uid=7",
        "colour=green",
        "whole.gte=99999999999",
        "document=1",
        "raw=00",
    ],
)
def test_each_type_reads_its_own_values_alone(query: str) -> None:
    assert list(faults(SEATS, query)) == [f"/{query.partition('=')[0]}"]


def test_all_faults_are_told_at_once() -> None:
    query = "pages=x&colour=red&colour=blue&limit=0&sort=pages&title.null=true&title=fine"

    assert set(faults(BOOKS, query)) == {"/pages", "/colour", "/limit", "/sort", "/title.null"}


def test_too_many_parameters_are_refused_before_they_are_read() -> None:
    assert list(faults(BOOKS, "&".join(["title=a"] * 201))) == ["/"]


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    assert faults(BOOKS, "titel=x")["/titel"].endswith("Did you mean title?")
    assert faults(BOOKS, "expand=autor")["/expand"].endswith("Did you mean author?")


@pytest.mark.parametrize("query", ["fields=author", "fields=title,author.name"])
def test_an_attribute_that_is_a_relationship_is_expanded(query: str) -> None:
    told = faults(BOOKS, query)["/fields"]

    assert told == "author is a relationship: write expand=author"


def test_a_relationship_that_cannot_be_expanded_is_no_attribute() -> None:
    assert "expand" not in faults(BOOKS, "fields=tags")["/fields"]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("title=a+b%2Bc%26", ("a b+c&",)),
        ("title=", ("",)),
        ("title.eq=x&title=y", ("y", "x")),
        ("sort.eq=5", (5,)),
        ("sort.gte=5", (5,)),
        ("pages=-5", (-5,)),
        ("price.null=false", (False,)),
        ("title.contains=5%25_\\", ("%5\\%\\_\\\\%",)),
        ("status=live&status=draft", ("live", "draft")),
    ],
)
def test_a_filter_has_the_values_that_were_written(query: str, values: tuple[Any, ...]) -> None:
    (found,) = parse(BOOKS, query).filters

    assert found.values == values


def test_a_single_row_takes_no_word_of_a_list() -> None:
    with pytest.raises(Invalid) as refused:
        BOOKS.parse_read(b"title=x&sort=price&fields=title&limit=1", Sight(PLAIN, ANYBODY))

    pointers = {each["pointer"] for each in refused.value.data["errors"]}
    assert pointers == {"/title", "/sort", "/limit"}


def hiding(model: type[Any], *attributes: str) -> RuleRegistry:
    def nobody(_actor: Identity) -> bool:
        return False

    registry = RuleRegistry()
    registry.add(Visible(nobody, model, attributes))
    return registry


@pytest.mark.parametrize(
    ("rules", "query", "unhidden"),
    [
        (hiding(QueryBook, "price"), "price=1", "price=1"),
        (hiding(QueryBook, "price"), "price.null=true", "price.null=true"),
        (hiding(QueryBook, "price"), "sort=-price", "sort=-price"),
        (hiding(QueryBook, "price"), "groups=price", "groups=price"),
        (hiding(QueryBook, "price"), "fields=price", "fields=price"),
        (hiding(QueryBook, "title", "notes"), "search=x", "search=x"),
        (hiding(QueryBook, "author"), "expand=author", "expand=author"),
        (hiding(QueryBook, "author"), "author.name=Ann", "author.name=Ann"),
        (hiding(QueryAuthor, "name"), "author.name.contains=A", "author.name.contains=A"),
        (hiding(QueryAuthor, "country"), "author.country.name=x", "author.country.name=x"),
        (hiding(QueryAuthor, "country"), "expand=author.country", "expand=author.country"),
    ],
)
def test_what_is_hidden_is_as_unknown_as_what_does_not_exist(
    rules: RuleRegistry, query: str, unhidden: str
) -> None:
    parse(BOOKS, unhidden)
    name, _, value = query.partition("=")

    (detail,) = faults(BOOKS, query, rules).values()

    unknown = (
        query.replace(value, "nothing")
        if name in ("sort", "groups", "fields", "expand")
        else f"no.{query}"
    )
    (expected,) = faults(BOOKS, unknown, rules).values()
    plain = detail.replace(value.lstrip("-"), "nothing").partition(". Did")[0].rstrip(".")
    assert plain == expected.partition(". Did")[0].rstrip(".")
    hidden = value.lstrip("-") if name in ("sort", "groups", "fields", "expand") else name
    assert f"mean {hidden}" not in detail


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"filters": ("colour",)}, "colour"),
        ({"filters": ("author.colour",)}, "author.colour"),
        ({"filters": ("autor.name",)}, "Did you mean author?"),
        ({"sorts": ("colour",)}, "colour"),
        ({"default_sort": ("-colour",)}, "colour"),
        ({"expand": {"autor": AUTHOR}}, "Did you mean author?"),
        ({"search": ("price",)}, "no readable text"),
    ],
)
def test_a_declaration_that_leads_nowhere_is_refused_at_the_start(
    options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match="QueryBook") as refused:
        Parameters(options_of(QueryBook, **options))

    assert sentence in refused.value.detail


def test_an_attribute_that_is_not_readable_is_no_filter_of_its_own() -> None:
    parameters = Parameters(options_of(QueryBook, exclude=("price",)))

    assert faults(parameters, "price=1")
    with pytest.raises(ConfigurationError):
        Parameters(options_of(QueryBook, exclude=("price",), filters=("price",)))


def described(parameters: Parameters) -> dict[str, Any]:
    return {each["name"]: each for each in parameters.openapi()}


def test_the_document_has_every_word_with_its_type() -> None:
    found = described(BOOKS)

    assert found["status"]["schema"]["items"]["enum"] == ["draft", "live", "gone"]
    assert (found["status"]["style"], found["status"]["explode"]) == ("form", True)
    assert found["pages.gte"]["schema"] == {"type": "integer", "format": "int32"}
    assert found["price.null"]["schema"] == {"type": "boolean"}
    assert found["sort"]["schema"]["items"]["enum"] == ["price", "-price", "title", "-title"]
    assert found["sort"]["explode"] is False
    assert found["limit"]["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 200,
        "default": 50,
    }
    assert found["expand"]["schema"]["items"]["enum"] == ["author", "author.country"]
    assert found["sort.eq"]["schema"]["items"]["type"] == "integer"
    assert "title.eq" not in found
    assert all(each["in"] == "query" and each["description"] for each in found.values())
    assert [each["name"] for each in BOOKS.openapi_of_read()] == ["fields", "expand"]


def test_a_resource_that_allows_nothing_documents_nothing() -> None:
    found = described(Parameters(options_of(QueryBook, filters=(), sorts=())))

    assert list(found) == ["fields", "count", "limit", "cursor"]
