"""What a resource answers: filters, expansions, counts and searches, and only what may be seen."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import and_, bindparam, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tests.api.resource.query_classes import (
    QueryAuthor,
    QueryBook,
    QueryCountry,
    QueryRevised,
    QuerySeat,
    QueryTag,
    Status,
)
from tests.api.resource.reading import ANYBODY, Desk, Statements, desk, options_of, store
from trivet import Identity, NotFound, Platform
from trivet.data.compiled_read import CompiledRead
from trivet.errors import Invalid
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible
from trivet_api.resource.expanding import MEMBERS
from trivet_api.resource.statements import Sight

pytestmark = pytest.mark.anyio

EDITOR = Identity(user_id=2, username="ed", kind="key", permissions=frozenset({"library.edit"}))
MONDAY = dt.datetime(2013, 2, 4, 12, tzinfo=dt.UTC)


def rows() -> list[Any]:
    fun, old = QueryTag(id=1, label="fun"), QueryTag(id=2, label="old")
    return [
        QueryCountry(code="no", name="Norway"),
        QueryCountry(code="is", name="Iceland"),
        QueryAuthor(id=1, name="Ann", email="ann@example.org", country_code="no"),
        QueryAuthor(id=2, name="Bob", is_private=True, country_code="is"),
        fun,
        old,
        book(1, "A whale", price="10.00", author_id=1, tags=[fun, old], notes="sea and ships"),
        book(2, "Whales, again", price="12.50", author_id=1, tags=[fun], sequel_of_id=1),
        book(3, "100% secret", author_id=2, tags=[old], status=Status.DRAFT),
        book(4, "The_end", price="10.00", sequel_of_id=2, published_at=MONDAY),
        book(5, "wHALE watching", price="0.00", author_id=2, notes="", status=Status.GONE),
    ]


def book(key: int, title: str, *, price: str | None = None, **values: Any) -> QueryBook:
    amount = None if price is None else Decimal(price)
    return QueryBook(id=key, title=title, price=amount, pages=key * 100, **values)


COUNTRY = options_of(QueryCountry)
TAG = options_of(QueryTag)
AUTHOR = options_of(QueryAuthor, expand={"country": COUNTRY, "books": options_of(QueryBook)})
BOOK: dict[str, Any] = {
    "filters": (
        "*", "author.name", "author.email", "author.id", "author.country.name", "tags.label",
        "tags.id", "sequel_of.title", "sequel_of.price", "sequel_of.author.name",
    ),
    "sorts": ("id", "price"),
    "expand": {"author": AUTHOR, "tags": TAG, "sequel_of": options_of(QueryBook)},
    "search": ("title", "notes"),
}  # fmt: skip


async def books(
    shelves: Platform, rules: RuleRegistry | None = None, actor: Identity = ANYBODY
) -> Desk:
    await store(shelves, *rows())
    made = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook, rules, **BOOK))
    made.actor = actor
    return made


FOUND: tuple[tuple[str, list[int]], ...] = (
    ("", [1, 2, 3, 4, 5]),
    ("id=1&id=3&id=99", [1, 3]),
    ("id.eq=1&id=2", [1, 2]),
    ("price=10", [1, 4]),
    ("price.ne=10", [2, 3, 5]),
    ("price.ne=10&price.ne=0", [2, 3]),
    ("price.gt=10&price.lte=12.50", [2]),
    ("price.gte=10&price.lt=12.5", [1, 4]),
    ("price.null=true", [3]),
    ("price.null=false", [1, 2, 4, 5]),
    ("status=draft&status=gone", [3, 5]),
    ("status.ne=live", [3, 5]),
    ("title=A+whale", [1]),
    ("title.contains=WHALE", [1, 2, 5]),
    ("title.startswith=whale", [2, 5]),
    ("title.contains=%25", [3]),
    ("title.contains=_", [4]),
    ("title.contains=\\", []),
    ("notes=", [5]),
    ("published_at=2013-02-04T12:00:00Z", [4]),
    ("published_at=2013-02-04T13:00:00%2B01:00", [4]),
    ("published_at.lt=2013-02-04T12:00:00.000001Z", [4]),
    ("sort.eq=0&limit=2", [1, 2]),
    # through relationships
    ("author.name.contains=AN", [1, 2]),
    ("author.name.ne=Ann", [3, 5]),
    ("author.email.null=true", [3, 5]),
    ("author.country.name=Iceland", [3, 5]),
    ("tags.label=old", [1, 3]),
    ("tags.label=old&tags.label=fun", [1, 2, 3]),
    ("tags.label=old&tags.id=1", []),  # one tag has to be both
    ("tags.label=old&author.name=Ann", [1]),
    ("sequel_of.title=A+whale", [2]),
    ("sequel_of.price.gt=10", [4]),
    ("sequel_of.author.name=Ann", [2, 4]),
    # search
    ("search=whale", [1, 5]),
    ("search=SHIPS", [1]),
    ("search=whale+ships", [1]),
    ("search=%22sea+and%22", [1]),
    ("search=%22and+sea%22", []),
    ("search=whale+-ships", [5]),
    ("search=ships+or+secret", [1, 3]),
    ("search=ships&price=12.50", []),
)  # fmt: skip


@pytest.mark.parametrize("as_page", [False, True])
async def test_a_filter_finds_what_it_says(shelves: Platform, as_page: bool) -> None:
    asking = await books(shelves)

    for query, ids in FOUND:
        if as_page and "limit" not in query:
            found = [row["id"] for row in await walk(asking, f"{query}&sort=-price&limit=1")]
            assert sorted(found) == ids, query
        else:
            assert await asking.ids(query) == ids, query


async def walk(asking: Desk, query: str) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        page = await asking.page(f"{query}{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


# Fields and expansions


async def test_only_the_wanted_fields_are_there(shelves: Platform) -> None:
    asking = await books(shelves)

    page = await asking.page("fields=title,id&id=1&expand=sequel_of")
    row, tag = await asking.read("1", b"fields=price,title")

    assert page["items"] == [{"id": 1, "title": "A whale", "sequel_of": None}]
    assert list(page["items"][0]) == ["id", "title", "sequel_of"]
    assert row == {"title": "A whale", "price": "10.00"}
    assert tag == (await asking.read("1"))[1]


async def test_related_rows_are_shown_inside_and_each_kind_costs_one_statement(
    shelves: Platform,
) -> None:
    asking = await books(shelves)
    statements = Statements(shelves)

    page = await asking.page("expand=author,author.country,tags,sequel_of&fields=id&price=10")
    texts = list(statements.texts)

    first, last = page["items"]
    assert first["author"]["name"] == "Ann"
    assert first["author"]["country"] == {"code": "no", "name": "Norway"}
    assert "books" not in first["author"]
    assert [tag["label"] for tag in first["tags"]["items"]] == ["fun", "old"]
    assert (first["sequel_of"], last["sequel_of"]["title"]) == (None, "Whales, again")
    assert (last["author"], last["tags"]) == (None, {"items": [], "has_more": False})
    assert len(texts) == 5


async def test_a_row_is_expanded_as_a_list_is(shelves: Platform) -> None:
    asking = await books(shelves)

    row, tag = await asking.read("2", b"expand=author.books,tags")

    assert [each["id"] for each in row["author"]["books"]["items"]] == [1, 2]
    assert row["tags"] == {"items": [{"id": 1, "label": "fun"}], "has_more": False}
    assert tag is None


async def test_a_long_collection_shows_its_first_rows_and_says_that_there_are_more(
    shelves: Platform,
) -> None:
    asking = await books(shelves)
    more = [QueryTag(id=at, label=f"tag {at:03}") for at in range(10, 10 + MEMBERS)]
    await store(shelves, *more, book(9, "tagged", tags=more))
    whole = (await asking.read("9", b"expand=tags"))[0]["tags"]
    await store(shelves, book(8, "more", tags=[QueryTag(id=999, label="zz"), *await tags(shelves)]))
    cut = (await asking.read("8", b"expand=tags"))[0]["tags"]

    assert (len(whole["items"]), whole["has_more"]) == (MEMBERS, False)
    assert (len(cut["items"]), cut["has_more"]) == (MEMBERS, True)
    assert [each["label"] for each in cut["items"]][:3] == ["fun", "old", "tag 010"]


async def tags(shelves: Platform) -> list[QueryTag]:
    async with shelves.open_unit(read_only=True) as unit:
        return await unit.run(lambda db, _actor: db.query(QueryTag).all())


# One statement, no transaction


async def test_a_list_and_a_row_are_one_statement_without_a_session(shelves: Platform) -> None:
    asking = await books(shelves)
    statements = Statements(shelves)

    await asking.page("author.name=Ann&search=whale&sort=-price&limit=1")
    await asking.read("1")
    await asking.read("1", b"fields=id")

    # On PostgreSQL none of them has needed a session. SQLite is asked for the index of a search.
    assert len(statements.texts) == (4 if shelves.database.is_sqlite else 0)


# Counts


async def test_counts_are_of_the_whole_list_and_not_of_the_page(shelves: Platform) -> None:
    asking = await books(shelves)

    page = await asking.page("limit=1&count=exact&groups=status,price&title.contains=whale")
    further = await asking.page(
        f"limit=1&count=exact&title.contains=whale&cursor={page['next_cursor']}"
    )

    assert (page["count"], further["count"]) == (3, 3)
    assert page["groups"] == {
        "status": {
            "items": [{"value": "live", "count": 2}, {"value": "gone", "count": 1}],
            "has_more": False,
        },
        "price": {
            "items": [
                {"value": "0.00", "count": 1},
                {"value": "10.00", "count": 1},
                {"value": "12.50", "count": 1},
            ],
            "has_more": False,
        },
    }
    assert "count" not in await asking.page("limit=1")


async def test_of_values_that_are_there_as_often_null_is_the_greatest(shelves: Platform) -> None:
    asking = await books(shelves)

    page = await asking.page("groups=price&id=2&id=3")

    assert page["groups"]["price"]["items"] == [
        {"value": "12.50", "count": 1},
        {"value": None, "count": 1},
    ]


async def test_a_planned_count_is_an_estimate_of_the_planner_where_it_may_be_told(
    shelves: Platform,
) -> None:
    asking = await books(shelves)
    statements = Statements(shelves)

    page = await asking.page("count=planned")

    if shelves.database.is_sqlite:
        assert page["count"] == 5
    else:
        assert page["count"] > 0
        assert statements.texts[-1].startswith("EXPLAIN")


# What may be seen


def rules(*declared: tuple[Callable[[Identity], Any], type[Any], tuple[str, ...]]) -> RuleRegistry:
    registry = RuleRegistry()
    for function, model, attributes in declared:
        registry.add(Visible(function, model, attributes))
    return registry


def public_authors(actor: Identity) -> Any:
    return actor.allows("library.edit") or QueryAuthor.is_private.is_(False)


def books_of_known_authors(actor: Identity) -> Any:
    if actor.allows("library.edit"):
        return True
    if actor.user_id is None:
        return False
    return QueryBook.pages != actor.user_id * 200


def only_editors(actor: Identity) -> bool:
    return actor.allows("library.edit")


RULES = rules(
    (public_authors, QueryAuthor, ()),
    (books_of_known_authors, QueryBook, ()),
    (only_editors, QueryAuthor, ("email",)),
)
ANN = ANYBODY  # does not see the book of 200 pages
STRANGER = Identity(user_id=None, username="", kind="anonymous")


async def test_rows_that_may_not_be_seen_are_nowhere(shelves: Platform) -> None:
    asking = await books(shelves, RULES)

    for actor, ids in ((EDITOR, [1, 2, 3, 4, 5]), (ANN, [1, 3, 4, 5]), (STRANGER, [])):
        asking.actor = actor
        page = await asking.page("count=exact&groups=status")
        assert [row["id"] for row in page["items"]] == ids
        assert page["count"] == len(ids)
        assert sum(each["count"] for each in page["groups"]["status"]["items"]) == len(ids)
        if actor is not EDITOR:
            # An estimate would be made of rows that the actor does not see.
            assert (await asking.page("count=planned"))["count"] == len(ids)
    asking.actor = ANN
    with pytest.raises(NotFound):
        await asking.read("2")
    assert (await asking.read("1"))[0]["title"] == "A whale"


async def test_nobody_learns_by_a_filter_what_may_not_be_read(shelves: Platform) -> None:
    asking = await books(shelves, RULES)

    for query in ("author.name=Bob", "author.name.ne=nothing&author.name=Bob", "author.id=2"):
        assert await asking.ids(query) == [], query
    assert await asking.ids("author.country.name=Iceland") == []
    assert await asking.ids("sequel_of.price.gt=10") == []
    assert list(await asking.faults("author.email=ann@example.org")) == ["/author.email"]
    asking.actor = EDITOR
    assert await asking.ids("author.name=Bob") == [3, 5]
    assert await asking.ids("author.email=ann@example.org") == [1, 2]
    assert await asking.ids("sequel_of.price.gt=10") == [4]


async def test_what_may_not_be_seen_is_not_expanded(shelves: Platform) -> None:
    asking = await books(shelves, RULES)

    page = await asking.page("expand=author,author.books,sequel_of&sort=id")
    by_id = {row["id"]: row for row in page["items"]}

    assert by_id[3]["author"] is None
    assert by_id[4]["sequel_of"] is None
    assert [each["id"] for each in by_id[1]["author"]["books"]["items"]] == [1]
    assert "email" not in by_id[1]["author"]


async def test_a_statement_is_kept_for_all_actors_and_has_the_values_of_each(
    shelves: Platform,
) -> None:
    asking = await books(shelves, RULES)
    statements = Statements(shelves)

    for user, hidden in ((1, 2), (2, 4), (1, 2)):
        asking.actor = Identity(user_id=user, username="x", kind="key")
        found = await asking.page("expand=author&count=exact")
        assert {row["id"] for row in found["items"]} == {1, 2, 3, 4, 5} - {hidden}
        assert found["count"] == 4

    assert len({*statements.texts}) == 3


async def test_a_condition_that_is_copied_for_an_alias_has_the_values_of_each_actor(
    shelves: Platform,
) -> None:
    """A class that refers to itself is asked under another name. Book 4 follows 2, and 2 follows 1;
    user 1 does not see 2, and user 2 does not see 4."""
    asking = await books(shelves, RULES)

    for user, found in ((3, [2, 4]), (1, []), (2, [2]), (3, [2, 4])):
        asking.actor = Identity(user_id=user, username="x", kind="key")
        assert await asking.ids("sequel_of.price.gte=0") == found, user


async def test_a_statement_that_is_the_only_one_has_the_values_of_each_actor_too(
    shelves: Platform,
) -> None:
    """Such a one is not executed by SQLAlchemy, which would hand the values on by itself."""
    asking = await books(shelves, RULES)

    for user, hidden in ((1, 2), (2, 4), (1, 2)):
        asking.actor = Identity(user_id=user, username="x", kind="key")
        assert {*await asking.ids("")} == {1, 2, 3, 4, 5} - {hidden}
        assert (await asking.read(str(hidden ^ 6)))[0]["id"] == hidden ^ 6
        with pytest.raises(NotFound):
            await asking.read(str(hidden))


LONG = QueryBook.pages > 50


def of_every_form(actor: Identity) -> Any:
    number = actor.user_id or 0
    own = select(QueryAuthor.id).where(QueryAuthor.id == number)
    is_bound = exists().where(QueryTag.id == bindparam("who", number), QueryTag.id > 0)
    some = QueryBook.pages.in_([number * 100, 300])
    return and_(LONG, or_(some, QueryBook.author_id.in_(own)), is_bound)


async def test_a_kept_statement_has_no_values_of_the_actor_for_whom_it_was_made(
    shelves: Platform,
) -> None:
    every = rules((of_every_form, QueryBook, ()))
    asking = await books(shelves, every)
    for user, seen in ((1, [1, 2, 3]), (2, [2, 3, 5]), (1, [1, 2, 3])):
        asking.actor = Identity(user_id=user, username="x", kind="key")
        assert await asking.ids("") == seen
        assert await asking.ids("author.name.ne=x&expand=author") == seen

    kept: Any = Sight(every, ANYBODY).restrict(QueryBook)
    assert {*kept.compile().params.values()} == {None}
    assert {*LONG.compile().params.values()} == {50}, "a rule's own condition stays what it is"
    read = CompiledRead(select(QueryBook.id).where(kept))
    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        with pytest.raises(SQLAlchemyError, match="A value is required for bind parameter"):
            await unit.run(lambda db, _actor: read.rows(db, {}))


async def test_an_order_by_something_hidden_is_not_the_default(shelves: Platform) -> None:
    hiding = rules((only_editors, QueryBook, ("price",)))
    await store(shelves, *rows())
    asking = await anyio.to_thread.run_sync(
        lambda: desk(shelves, QueryBook, hiding, default_sort=("-price",))
    )

    assert await asking.ids() == [1, 2, 3, 4, 5]
    asking.actor = EDITOR
    assert await asking.ids() == [3, 2, 4, 1, 5]


# Keys and tags


async def test_a_key_of_another_type_is_refused_at_its_place(shelves: Platform) -> None:
    asking = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook))

    for key in ("x", "01", "9223372036854775808", "1%00", "1\0", "", "1.0", "-", "null"):
        with pytest.raises(Invalid) as refused:
            await asking.read(key)
        (fault,) = refused.value.data["errors"]
        assert (fault["in"], fault["pointer"]) == ("path", "/key"), key


async def test_a_key_of_several_columns_names_one_row(shelves: Platform) -> None:
    await store(shelves, QuerySeat(hall="a~", number=-3), QuerySeat(hall="a", number=7))
    asking = await anyio.to_thread.run_sync(lambda: desk(shelves, QuerySeat))

    assert (await asking.read("a!7E~-3"))[0]["number"] == -3
    assert (await asking.read("a~7"))[0]["hall"] == "a"
    with pytest.raises(NotFound):
        await asking.read("a~8")
    for key in ("a", "a~7~7", "a~x", "a~!"):
        with pytest.raises(Invalid):
            await asking.read(key)


async def test_a_tag_changes_with_what_the_actor_sees_and_with_nothing_else(
    shelves: Platform,
) -> None:
    hiding = rules((only_editors, QueryBook, ("price",)))
    asking = await books(shelves, hiding)
    before, seen_before = (await asking.read("1"))[1], await tag_of(asking, EDITOR)

    await change(shelves, price=Decimal("11.00"))
    hidden_change, seen_change = (await asking.read("1"))[1], await tag_of(asking, EDITOR)
    await change(shelves, title="Another")

    assert hidden_change == before
    assert seen_change != seen_before
    assert (await asking.read("1"))[1] != before


async def tag_of(asking: Desk, actor: Identity) -> str | None:
    asking.actor, usual = actor, asking.actor
    try:
        return (await asking.read("1"))[1]
    finally:
        asking.actor = usual


async def change(shelves: Platform, **values: Any) -> None:
    def service(db: Session, _actor: Identity) -> None:
        row = db.get_one(QueryBook, 1)
        for name, value in values.items():
            setattr(row, name, value)

    async with shelves.open_unit() as unit:
        await unit.run(service)


async def test_a_counted_version_is_the_tag(shelves: Platform) -> None:
    await store(shelves, QueryRevised(id=1, text="x"))
    asking = await anyio.to_thread.run_sync(
        lambda: desk(shelves, QueryRevised, exclude=("version",))
    )

    row, tag = await asking.read("1")

    assert (row, tag) == ({"id": 1, "text": "x"}, '"1"')


async def test_an_object_is_shown_as_its_row_is(shelves: Platform) -> None:
    asking = await books(shelves, RULES)

    def service(db: Session, actor: Identity) -> tuple[bytes, str]:
        return asking.reader.represent(db, actor, db.get_one(QueryBook, 1))

    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        body, version = await unit.run(service)
    async with shelves.open_unit(actor=ANYBODY, read_only=True) as unit:
        assert (body, f'"{version}"') == await asking.reader.read(unit, "1")
