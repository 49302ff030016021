"""What a resource answers: filters, expansions, counts and searches, and only what may be seen."""

from decimal import Decimal
from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy.orm import Session

from tests.api.resource.query_classes import QueryBook, QueryRevised, QuerySeat, QueryTag
from tests.api.resource.reading import ANYBODY, Desk, Statements, desk, store
from tests.api.resource.shelved import EDITOR, RULES, book, books, only_editors, rules, tags
from trivet import Identity, NotFound, Platform
from trivet.errors import Invalid
from trivet_api.resource.expanding import MEMBERS

pytestmark = pytest.mark.anyio


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
