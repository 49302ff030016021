"""Rows that are written through a resource: under locks, rules and conditions."""

from decimal import Decimal
from typing import Any

import anyio
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tests.api.resource.library import (
    ONE,
    TWO,
    Author,
    Book,
    Bus,
    Copy,
    Library,
    Status,
    Tag,
    Ticket,
    Vehicle,
    own_rows,
    rules_of,
)
from trivet import Conflict, Identity
from trivet.errors import TrivetError
from trivet.rules import visible
from trivet_api.conditions import Condition, parse_tags
from trivet_api.resource.schemas import values_of
from trivet_api.resource.writing import (
    WriteOptions,
    delete_row,
    insert_row,
    update_row,
    write_options,
)

pytestmark = pytest.mark.anyio

BOOKS = write_options(Book, members=["tags"])
AUTHORS = write_options(Author)
COPIES = write_options(Copy)
BUSES = write_options(Bus)
TICKETS = write_options(Ticket)
EMMA: dict[str, Any] = {"title": "Emma", "author_id": 1}


async def make(library: Library, *, actor: Identity = TWO, **values: Any) -> str:
    row = await library.run(insert_row, BOOKS, {**EMMA, **values}, actor=actor)
    return str(row.id)


async def tags_of(library: Library, key: str) -> list[int]:
    def tags(db: Session, _actor: Identity) -> list[int]:
        return sorted(each.id for each in db.get_one(Book, int(key)).tags)

    found: list[int] = await library.run(tags)
    return found


async def count(library: Library, model: type[Any]) -> int:
    found: int = await library.run(
        lambda db, _actor: db.scalar(select(func.count()).select_from(model))
    )
    return found


def told(error: TrivetError) -> tuple[str, list[str], str]:
    """The code, the places and the sentence of a refusal."""
    return error.code, [each["pointer"] for each in error.data.get("errors", ())], error.detail


def if_match(tag: str) -> Condition:
    return Condition(if_match=parse_tags([f'"{tag}"']))


async def test_a_new_row_holds_what_was_sent_and_its_defaults(library: Library) -> None:
    body = BOOKS.create_schema.model_validate({**EMMA, "price": "7.5", "tags": [2, 1]})
    row = await library.run(insert_row, BOOKS, values_of(body))
    assert (row.title, row.price, row.status) == ("Emma", Decimal("7.50"), Status.DRAFT)
    assert (row.version, row.token) == (1, "t")
    assert await tags_of(library, str(row.id)) == [1, 2]


async def test_a_change_is_compared_under_the_lock_and_raises_the_version(library: Library) -> None:
    key = await make(library)
    row = await library.run(update_row, BOOKS, key, {"price": Decimal(3)}, condition=if_match("1"))
    assert (row.price, row.version) == (Decimal("3.00"), 2)
    late = if_match("1")
    for service, *arguments in ((update_row, BOOKS, key, {"title": "x"}), (delete_row, BOOKS, key)):
        refused = await library.refused(service, *arguments, condition=late)
        assert (refused.status, refused.code) == (412, "stale-version")
    await library.run(delete_row, BOOKS, key, condition=if_match("2"))
    assert await library.read(Book, int(key)) is None


@pytest.mark.parametrize(
    "same",
    [
        {"title": "Emma"},
        {"price": Decimal(0)},
        {"status": "draft"},
        {"tags": [1]},
        {"printed_on": None},
        {},
    ],
    ids=str,
)
async def test_a_change_to_the_same_changes_nothing(library: Library, same: Any) -> None:
    key = await make(library, tags=[1])
    assert (await library.run(update_row, BOOKS, key, same)).version == 1
    assert (await library.read(Book, int(key))).version == 1


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("99", (404, "book-not-found")),
        *((each, (422, "invalid")) for each in ("099", "x", "9" * 40, "1~2", "", "\x00")),
    ],
)
async def test_a_row_that_is_not_there_is_not_found(
    library: Library, key: str, told: tuple[int, str]
) -> None:
    for service, *arguments in ((update_row, BOOKS, key, {}), (delete_row, BOOKS, key)):
        refused = await library.refused(service, *arguments)
        assert (refused.status, refused.code) == told


async def test_a_row_that_others_refer_to_stays(library: Library) -> None:
    key = await make(library)
    await library.run(insert_row, COPIES, {"book_id": int(key), "letter": "a"})
    for write, parent in ((AUTHORS, "1"), (BOOKS, key)):
        refused = await library.refused(delete_row, write, parent)
        assert (refused.status, refused.code) == (409, "referred-to")
    assert [await count(library, each) for each in (Author, Book, Copy)] == [2, 1, 1]
    for write, each in ((COPIES, f"{key}~a"), (BOOKS, key), (AUTHORS, "1")):
        await library.run(delete_row, write, each)
    assert [await count(library, each) for each in (Author, Book, Copy)] == [1, 0, 0]


MISSING: list[tuple[WriteOptions, dict[str, Any], str, str]] = [
    (BOOKS, {**EMMA, "author_id": 99}, "/author_id", "There is no author 99."),
    (BOOKS, {**EMMA, "sequel_of_id": 99}, "/sequel_of_id", "There is no book 99."),
    (BOOKS, {**EMMA, "tags": [1, 99]}, "/tags/1", "There is no tag 99."),
    (COPIES, {"book_id": 99, "letter": "a"}, "/book_id", "There is no book 99."),
]


@pytest.mark.parametrize(("write", "values", "pointer", "sentence"), MISSING)
async def test_a_row_that_is_missing_is_told_at_the_attribute(
    library: Library, write: WriteOptions, values: dict[str, Any], pointer: str, sentence: str
) -> None:
    refused = await library.refused(insert_row, write, values)
    assert told(refused) == ("integrity", [pointer], sentence)


class TestWhatOneDoesNotSee:
    """User 1 sees what is theirs or nobody's; author 2 and tag 3 are user 2's."""

    @pytest.fixture(autouse=True)
    def _rules(self, library: Library) -> None:
        library.rules = own_rows(Author, Tag, Book)

    async def test_is_refused_as_what_is_not_there(self, library: Library) -> None:
        for name, number, noun in (("author_id", 2, "author"), ("tags", [3], "tag")):
            hidden = await library.refused(insert_row, BOOKS, {**EMMA, name: number})
            missing = 99 if name == "author_id" else [99]
            absent = await library.refused(insert_row, BOOKS, {**EMMA, name: missing})
            said = told(hidden)[2].replace("2", "99").replace("3", "99")
            assert (told(hidden)[:2], said) == (told(absent)[:2], told(absent)[2])
            assert noun in said

    async def test_is_not_found(self, library: Library) -> None:
        theirs = await make(library, owner_id=2)
        for service, *arguments in (
            (update_row, BOOKS, theirs, {"title": "mine"}),
            (delete_row, BOOKS, theirs),
            (update_row, BOOKS, "99", {}),
        ):
            refused = await library.refused(service, *arguments)
            assert told(refused)[0] == "book-not-found"
        assert (await library.read(Book, int(theirs))).title == "Emma"

    async def test_is_not_left_behind(self, library: Library) -> None:
        given = await library.refused(insert_row, BOOKS, {**EMMA, "owner_id": 2})
        assert (given.status, given.code) == (403, "row-not-yours")
        assert await count(library, Book) == 0
        mine = await make(library, actor=ONE, owner_id=1)
        given = await library.refused(update_row, BOOKS, mine, {"owner_id": 2, "title": "x"})
        assert (given.status, given.code) == (403, "row-not-yours")
        assert (await library.read(Book, int(mine))).title == "Emma"

    async def test_stays_what_it_refers_to_where_that_does_not_change(
        self, library: Library
    ) -> None:
        theirs = await make(library, author_id=2, tags=[1, 3])
        row = await library.run(
            update_row, BOOKS, theirs, {"author_id": 2, "title": "x", "tags": [2]}
        )
        assert (row.title, row.author_id) == ("x", 2)
        assert await tags_of(library, theirs) == [2, 3]  # the list takes nothing that it hides


async def test_an_attribute_that_one_does_not_see_is_as_unknown(library: Library) -> None:
    @visible(Book, "price")
    def nobody(_actor: Identity) -> bool:
        return False

    library.rules = rules_of(nobody)
    refused = await library.refused(insert_row, BOOKS, {**EMMA, "price": Decimal(1)})
    assert told(refused)[:2] == ("invalid", ["/price"])
    assert refused.data["errors"][0]["detail"] == "Extra inputs are not permitted"


class TestServices:
    async def test_take_the_place_of_ours_under_the_same_rules(self, library: Library) -> None:
        asked: list[Any] = []

        def create(db: Session, _actor: Identity, values: dict[str, Any]) -> Book:
            asked.append(values)
            book = Book(**values | {"title": values["title"].upper()})
            db.add(book)
            return book

        def change(db: Session, _actor: Identity, key: int, changes: dict[str, Any]) -> Book:
            asked.append((key, changes))
            book = db.get_one(Book, key)
            book.title = changes["title"].lower()
            return book

        def close(db: Session, _actor: Identity, key: int) -> None:
            asked.append(key)
            db.get_one(Book, key).owner_id = None

        write = write_options(Book, create=create, update=change, delete=close)
        library.rules = own_rows(Author, Book)
        row = await library.run(insert_row, write, {**EMMA, "owner_id": 1})
        assert row.title == "EMMA"
        key = str(row.id)
        row = await library.run(update_row, write, key, {"title": "X"}, condition=if_match("1"))
        assert (row.title, row.version) == ("x", 2)
        await library.run(delete_row, write, key, condition=if_match("2"))
        assert (await library.read(Book, row.id)).owner_id is None
        assert asked == [{**EMMA, "owner_id": 1}, (row.id, {"title": "X"}), row.id]
        for refused in (
            await library.refused(insert_row, write, {**EMMA, "author_id": 2}),
            await library.refused(insert_row, write, {**EMMA, "owner_id": 2}),
            await library.refused(update_row, write, key, {"title": "x"}, condition=if_match("7")),
        ):
            assert refused.status in (403, 409, 412)

    async def test_that_return_no_row_are_named(self, library: Library) -> None:
        def forgetful(_db: Session, _actor: Identity, _values: dict[str, Any]) -> None: ...

        refused = await library.refused(insert_row, write_options(Book, create=forgetful), EMMA)
        assert "forgetful returned NoneType" in refused.detail


@pytest.mark.database("postgresql")  # SQLite has one writer, who begins when the other has ended
async def test_of_two_changes_of_one_version_the_later_is_late(library: Library) -> None:
    key = await make(library)
    late: list[TrivetError] = []

    async def change() -> None:
        given = (update_row, BOOKS, key, {"title": "late"})
        late.append(await library.refused(*given, condition=if_match("1")))

    def change_first(db: Session) -> None:
        update_row(db, ONE, BOOKS, key, {"title": "first"}, condition=if_match("1"))
        db.flush()

    async with anyio.create_task_group() as tasks, library.database.unit(actor=ONE) as session:
        await session.run_sync(change_first)
        tasks.start_soon(change)
        await library.wait_for_a_lock()
    assert [each.status for each in late] == [412]
    assert (await library.read(Book, int(key))).title == "first"


async def test_what_the_database_computes_is_there(library: Library) -> None:
    key = await make(library)
    row = await library.run(update_row, BOOKS, key, {"title": "x"})
    assert (row.shelf_mark, row.version) == ("x/", 2)


async def test_a_row_of_two_tables_is_one(library: Library) -> None:
    library.rules = own_rows(Vehicle)
    row = await library.run(insert_row, BUSES, {"seats": 4, "owner_id": 1})
    key = str(row.id)
    row = await library.run(update_row, BUSES, key, {"seats": 5, "owner_id": None})
    assert (row.kind, row.seats, row.owner_id) == ("bus", 5, None)
    refused = await library.refused(update_row, BUSES, key, {"owner_id": 2})
    assert refused.code == "row-not-yours"
    await library.run(delete_row, BUSES, key)
    assert await count(library, Vehicle) == 0


async def test_a_constructor_of_ones_own_is_not_asked(library: Library) -> None:
    row = await library.run(insert_row, TICKETS, {"place": "7a"})
    assert (row.place, await count(library, Ticket)) == ("7a", 1)


async def test_values_that_a_database_cannot_hold_are_told_at_once(library: Library) -> None:
    values = {**EMMA, "title": "a\x00", "price": Decimal("0.001")}
    refused = await library.refused(insert_row, BOOKS, values)
    assert told(refused)[:2] == ("bad-value", ["/title", "/price"])


async def test_a_conflict_with_another_row_is_told_at_its_attribute(library: Library) -> None:
    await make(library, isbn="1")
    refused = await library.refused(insert_row, BOOKS, {**EMMA, "isbn": "1"})
    assert told(refused) == ("integrity", ["/isbn"], "There is already a book with this isbn.")
    assert isinstance(refused, Conflict)
