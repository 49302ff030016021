"""Searches by words: the same rows on both databases, with an index and without, whoever wrote."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import quote

import anyio.to_thread
import pytest
from sqlalchemy import Connection, MetaData, Table, create_engine, text
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateIndex

from tests.api.resource.query_classes import QueryBook, QuerySeat, QueryTag
from tests.api.resource.reading import Desk, Statements, desk, store
from trivet import Identity, Platform
from trivet.models.search_tables import SearchTable
from trivet.models.searches import SearchIndex, find_search, index_on
from trivet.rules.registry import RuleRegistry
from trivet.rules.visibility import Visible
from trivet_api.resource.fields import fields_of
from trivet_api.resource.search_conditions import find_declared

pytestmark = pytest.mark.anyio

TEXTS = ("title", "notes")


def book(key: int, title: str, notes: str | None = None) -> QueryBook:
    return QueryBook(id=key, title=title, notes=notes, price=None, pages=key)


def books() -> list[QueryBook]:
    return [
        book(1, "A whale", "sea and ships"),
        book(2, "Whales, again"),
        book(3, "100% secret"),
        book(4, "Crème brûlée"),
        book(5, "Die STRASSE, die Straße", "ÉTÉ"),
        book(6, "foo-bar baz"),
        book(7, 'He said "stop" AND left NEAR the (door) *', "title:whales"),
        book(8, "Oil", "whale oil"),
        book(9, "हिन्दी में"),
        book(10, "ann@example.org", "1.5"),
    ]


GRAMMAR = {
    "whale": [1, 8],
    "WHALE": [1, 8],
    "whal": [],
    "whale ships": [1],
    "ships whale": [1],
    '"sea and"': [1],
    '"and sea"': [],
    '"whale sea"': [1],  # of one text and the next
    "whale -ships": [8],
    "-ships whale": [8],
    'whale -"sea and"': [8],
    "ships or secret": [1, 3],
    "whale ships or oil": [1, 8],
    "secret or -whale": [2, 3, 4, 5, 6, 7, 9, 10],
    "whale or": [],  # a word itself, where it is not between two
    "or whale": [],
    "ships or or whale": [1],
    "ships or -": [1],
    "crème": [4],
    "CRÈME": [4],
    "creme": [],
    "straße": [5],
    "strasse": [5],
    "été": [5],
    "foo-bar": [6],
    "bar": [6],
    "baz foo": [6],
    '"foo baz"': [],
    "100": [3],
    "हिन्दी": [9],
    "ann@example.org": [10],
    "1.5": [10],
}
PARTS = {"example": [10], "5": [10]}
"""What SQLite finds, and PostgreSQL does not."""

HOSTILE = (
    '"', '""', '"whale', 'whale"', "whale*", "*", "^whale", "NEAR", "NEAR(sea ships)", "AND",
    "whale AND", "NOT whale", "OR", "or whale", "whale or", "or or whale", "title:whale",
    "document : whale", "{title notes} : whale", "- {title} : whale", "(whale", "whale)", "+whale",
    "whale + ships", "'", "whale'; DROP TABLE query_book", "--whale", "- whale", "-", "%", "_",
    "wh%le", "wh_le", "\\", "whale\\", "\t\nwhale", "🦆", "🦆 whale", "e\u0301", "a,b", "\ufeff",
    ":wanted", "s0", "rank:1", "rowid", "whale ſhips", "K",
)  # fmt: skip


async def reading(shelves: Platform, rules: RuleRegistry | None = None) -> Desk:
    # What describes a class looks at its source.
    return await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook, rules, search=TEXTS))


async def reading_seats(shelves: Platform) -> Desk:
    return await anyio.to_thread.run_sync(lambda: desk(shelves, QuerySeat, search=("text",)))


def in_database(url: str, work: Callable[[Connection], None]) -> None:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        work(connection)
    engine.dispose()


async def index(url: str, model: type[Any] = QueryBook) -> None:
    """Make the index of a class, as a revision does."""
    table: Any = model.__table__

    def make(connection: Connection) -> None:
        declared = find_search(table)
        assert declared is not None
        if connection.dialect.name == "sqlite":
            SearchTable(declared).create(connection)
        else:
            copy: Table = table.to_metadata(MetaData())
            connection.execute(CreateIndex(index_on(copy, declared.columns)))

    await anyio.to_thread.run_sync(in_database, url, make)


@pytest.mark.parametrize("is_indexed", [True, False])
async def test_a_search_finds_whole_words_by_one_grammar(
    shelves: Platform, empty_database_url: str, is_indexed: bool
) -> None:
    await store(shelves, *books())
    if is_indexed:
        await index(empty_database_url)
    asking = await reading(shelves)

    found = {words: await asking.ids(search=words) for words in GRAMMAR}
    parts = {words: await asking.ids(search=words) for words in PARTS}

    assert found == GRAMMAR
    assert parts == (PARTS if shelves.database.is_sqlite else {words: [] for words in PARTS})


async def test_no_text_is_syntax_of_the_database_and_an_index_changes_nothing(
    shelves: Platform, empty_database_url: str
) -> None:
    await store(shelves, *books())
    asking = await reading(shelves)
    before = {each: await asking_for(asking, each) for each in HOSTILE}
    await index(empty_database_url)

    after = {each: await asking_for(asking, each) for each in HOSTILE}

    assert after == before
    assert before["title:whale"] == []
    assert before["AND"] == [1, 7]
    assert before["whale*"] == before["(whale"] == before["+whale"] == [1, 8]


async def asking_for(asking: Desk, words: str) -> Any:
    faults = await asking.faults(f"search={quote(words)}")
    return faults or await asking.ids(search=words)


@pytest.mark.database("sqlite")
async def test_an_index_finds_of_any_text_what_is_found_without(
    shelves: Platform, empty_database_url: str
) -> None:
    dice = random.Random(7)  # the same texts each time
    signs = "aabkKsſßéÉeçΣσςıİ1½'-_. \n\t\"*()ा\u0301"

    def some(longest: int) -> str:
        return "".join(dice.choices(signs, k=dice.randint(1, longest)))

    rows = [book(key, some(20), dice.choice([None, some(20)])) for key in range(1, 150)]
    await store(shelves, *rows)
    asking = await reading(shelves)
    asked = [some(6) for _ in range(200)]
    before = [await asking_for(asking, each) for each in asked]
    await index(empty_database_url)
    statements = Statements(shelves)

    assert [await asking_for(asking, each) for each in asked] == before
    assert any("MATCH" in each for each in statements.texts)
    assert sum(map(len, before)) > len(before)


@pytest.mark.parametrize("is_indexed", [True, False])
async def test_a_row_without_a_text_is_found_by_nothing(
    shelves: Platform, empty_database_url: str, is_indexed: bool
) -> None:
    """By a key of two columns, one of which is a text."""
    texts = {("a", 1): "a whale", ("a", 2): None, ("b", 1): "ships", ("b", 2): "whale oil"}
    await store(
        shelves, *(QuerySeat(hall=hall, number=at, text=said) for (hall, at), said in texts.items())
    )
    if is_indexed:
        await index(empty_database_url, QuerySeat)
    asking = await reading_seats(shelves)

    async def seats(words: str) -> list[Any]:
        return [(row["hall"], row["number"]) for row in (await asking.page(search=words))["items"]]

    assert await seats("whale") == [("a", 1), ("b", 2)]
    assert await seats("whale -oil") == [("a", 1)]
    assert await seats("oil or -whale") == [("b", 1), ("b", 2)]


async def test_pages_counts_groups_and_rules_stand_on_a_search(
    shelves: Platform, empty_database_url: str
) -> None:
    await store(shelves, *(book(key, f"whale {key}") for key in range(1, 8)), book(9, "ship"))
    await index(empty_database_url)
    rules = RuleRegistry()
    rules.add(Visible(lambda _actor: QueryBook.id != 3, QueryBook))
    asking = await reading(shelves, rules)

    page = await asking.page(search="whale", count="exact", groups="status", limit="2")
    assert page["count"] == 6
    assert page["groups"]["status"]["items"] == [{"value": "live", "count": 6}]
    assert [row["id"] for row in await asking.walk(search="whale", limit="2")] == [1, 2, 4, 5, 6, 7]
    found = await asking.page("search=whale&id.gt=4&sort=-id")
    assert [row["id"] for row in found["items"]] == [7, 6, 5]


async def test_a_hidden_text_is_not_searched_and_the_others_are(
    shelves: Platform, empty_database_url: str
) -> None:
    await store(shelves, *books())
    await index(empty_database_url)
    rules = RuleRegistry()
    rules.add(Visible(lambda _actor: False, QueryBook, ("notes",)))
    asking = await reading(shelves, rules)

    assert await asking.ids(search="whale") == [1]
    assert await asking.ids(search="oil") == [8]
    assert await asking.ids(search="sea") == []


@pytest.mark.database("sqlite")
async def test_an_index_is_used_as_long_as_it_is_whole(
    shelves: Platform, empty_database_url: str
) -> None:
    await store(shelves, *books())
    await index(empty_database_url)
    asking = await reading(shelves)
    statements = Statements(shelves)
    await asking.ids(search="whale")
    assert "MATCH" in statements.texts[-1]

    drop = "DROP TRIGGER query_book_search_insert"
    await anyio.to_thread.run_sync(run, empty_database_url, drop)
    await store(shelves, book(11, "a late whale"))

    assert await asking.ids(search="whale") == [1, 8, 11]
    assert "MATCH" not in statements.texts[-1]


# Whoever writes


def run(url: str, *statements: str) -> None:
    def each(connection: Connection) -> None:
        for statement in statements:
            connection.execute(text(statement))

    in_database(url, each)


def change_objects(db: Session, _actor: Identity) -> None:
    row = db.get_one(QueryBook, 1)
    row.title, row.notes = "changed", None
    db.delete(db.get_one(QueryBook, 8))
    db.add_all([book(20, "a new whale"), book(21, "another whale")])


def change_a_key(db: Session, _actor: Identity) -> None:
    db.get_one(QueryBook, 1).id = 20


def undo_a_savepoint(db: Session, _actor: Identity) -> None:
    savepoint = db.begin_nested()
    change_objects(db, _actor)
    db.flush()
    savepoint.rollback()


WRITES: dict[str, tuple[Callable[[Session, Identity], None], list[int]]] = {
    "objects": (change_objects, [20, 21]),
    "a key": (change_a_key, [8, 20]),
    "a savepoint": (undo_a_savepoint, [1, 8]),
}


@pytest.mark.parametrize("what", WRITES)
async def test_what_a_unit_writes_is_found(
    shelves: Platform, empty_database_url: str, what: str
) -> None:
    write, ids = WRITES[what]
    await store(shelves, *books())
    await index(empty_database_url)

    async with shelves.open_unit() as unit:
        await unit.run(write)

    assert await (await reading(shelves)).ids(search="whale") == ids


SET = "(id, title, pages, status, sort)"
RAW = {
    "rows": (f"INSERT INTO query_book {SET} VALUES (20, 'whale', 1, 'live', 0)", [1, 8, 20]),
    "all rows": ("UPDATE query_book SET title = 'whale ' || title", list(range(1, 11))),
    "another column": ("UPDATE query_book SET pages = 1", [1, 8]),
    "a key": ("UPDATE query_book SET id = id + 100", [101, 108]),
    "some rows": ("DELETE FROM query_book WHERE id > 1", [1]),
    "upsert": (
        f"INSERT INTO query_book {SET} VALUES (1, 'ship', 1, 'live', 0), (2, 'whale', 1, 'live', 0)"
        " ON CONFLICT (id) DO UPDATE SET title = excluded.title, notes = NULL",
        [2, 8],
    ),
}
RAW_ON_SQLITE = {
    "replace": (f"REPLACE INTO query_book {SET} VALUES (1, 'ship', 1, 'live', 0)", [8]),
    "ignore": (f"INSERT OR IGNORE INTO query_book {SET} VALUES (1, 'x', 1, 'live', 0)", [1, 8]),
    "update or replace": ("UPDATE OR REPLACE query_book SET id = 1 WHERE id = 2", [8]),
    "vacuum": ("VACUUM", [1, 8]),
}


@pytest.mark.parametrize("what", RAW)
async def test_what_sql_writes_is_found(
    shelves: Platform, empty_database_url: str, what: str
) -> None:
    statement, ids = RAW[what]
    await store(shelves, *books())
    await index(empty_database_url)

    await anyio.to_thread.run_sync(run, empty_database_url, statement)

    assert await (await reading(shelves)).ids(search="whale") == ids


def driver(url: str, statement: str) -> list[Any]:
    """As somebody does it with a program of his own, without an option of ours."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as opened:
        return opened.execute(statement).fetchall()


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("what", RAW_ON_SQLITE)
async def test_what_sqlite_replaces_is_found_no_more(
    shelves: Platform, empty_database_url: str, what: str
) -> None:
    statement, ids = RAW_ON_SQLITE[what]
    await store(shelves, *books())
    await index(empty_database_url)

    await anyio.to_thread.run_sync(driver, empty_database_url, statement)

    assert await (await reading(shelves)).ids(search="whale") == ids


@pytest.mark.database("sqlite")
async def test_what_a_replaced_row_leaves_in_an_index_is_in_nobodys_way(
    shelves: Platform, empty_database_url: str
) -> None:
    """SQLite fires no trigger for the row that has the same label."""
    await store(shelves, QueryTag(id=1, label="whale"))
    tags = SearchTable(SearchIndex("query_tag", ("label",), rowid="id"))
    await anyio.to_thread.run_sync(in_database, empty_database_url, tags.create)
    for statement in (
        "REPLACE INTO query_tag (id, label) VALUES (5, 'whale')",
        "INSERT INTO query_tag (id, label) VALUES (1, 'ship')",
    ):
        await anyio.to_thread.run_sync(driver, empty_database_url, statement)

    found = "SELECT rowid FROM query_tag_search WHERE query_tag_search MATCH 'whale'"
    assert await anyio.to_thread.run_sync(driver, empty_database_url, found) == [(5,)]


SEAT = "(hall, number, text, needed)"
SEATS = {
    "replace": (f"REPLACE INTO query_seat {SEAT} VALUES ('a', 1, 'ship', 'x')", 0),
    "update": ("UPDATE query_seat SET text = 'a whale' WHERE number = 2", 2),
    "key": ("UPDATE query_seat SET hall = 'z', number = number + 7", 1),
    "delete": ("DELETE FROM query_seat WHERE number = 1", 0),
    "insert": (f"INSERT INTO query_seat {SEAT} VALUES ('b', 1, 'whale', 'x')", 2),
    "vacuum": ("VACUUM", 1),
}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("what", SEATS)
async def test_rows_with_a_key_of_two_columns_are_followed(
    shelves: Platform, empty_database_url: str, what: str
) -> None:
    statement, number = SEATS[what]
    await store(
        shelves,
        QuerySeat(hall="a", number=1, text="whale"),
        QuerySeat(hall="a", number=2, text="ship"),
    )
    await index(empty_database_url, QuerySeat)
    asking = await reading_seats(shelves)

    await anyio.to_thread.run_sync(driver, empty_database_url, statement)

    assert len((await asking.page(search="whale"))["items"]) == number
    left = "SELECT (SELECT count(*) FROM query_seat_search) - (SELECT count(*) FROM query_seat)"
    assert await anyio.to_thread.run_sync(driver, empty_database_url, left) == [(0,)]


async def test_an_order_of_attributes_does_not_matter(
    shelves: Platform, empty_database_url: str
) -> None:
    await store(shelves, *books())
    await index(empty_database_url)
    asking = await anyio.to_thread.run_sync(
        lambda: desk(shelves, QueryBook, search=tuple(reversed(TEXTS)))
    )

    assert await asking.ids(search='"whale sea"') == [1]
    assert await asking.ids(search='"ships a"') == []


def test_a_class_is_searched_in_what_its_table_says() -> None:
    assert find_declared(QueryBook, fields_of(QueryBook)) == TEXTS
    fields = {name: each for name, each in fields_of(QueryBook).items() if name != "notes"}
    assert find_declared(QueryBook, fields) == ("title",)
