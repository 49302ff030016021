"""An upsert makes a row or changes the one that is there, also when two come at once."""

from typing import Any

import anyio
import pytest
from sqlalchemy import func, select

from tests.api.resource.library import ONE, TWO, Author, Book, Copy, Library, own_rows
from trivet.errors import ConfigurationError
from trivet_api.resource.upserting import upsert_row
from trivet_api.resource.writing import insert_row, write_options

pytestmark = pytest.mark.anyio

BOOKS = write_options(Book, upsert="uq_resource_book_isbn")
COPIES = write_options(Copy, upsert="uq_place")
EMMA: dict[str, Any] = {"title": "Emma", "author_id": 1, "isbn": "7"}


async def test_a_row_is_made_and_then_changed(library: Library) -> None:
    made, is_new = await library.run(upsert_row, BOOKS, EMMA)
    assert (is_new, made.version) == (True, 1)
    same, is_new = await library.run(upsert_row, BOOKS, {**EMMA, "title": "Emma II"})
    assert (is_new, same.id, same.title, same.version) == (False, made.id, "Emma II", 2)
    same, _ = await library.run(upsert_row, BOOKS, {**EMMA, "title": "Emma II"})
    assert same.version == 2


async def test_a_constraint_of_several_columns_keeps_the_key(library: Library) -> None:
    book, _ = await library.run(upsert_row, BOOKS, EMMA)
    given = {"book_id": book.id, "letter": "a", "place": "attic", "shelf": 1}
    assert (await library.run(upsert_row, COPIES, given))[1]
    copy, is_new = await library.run(upsert_row, COPIES, {**given, "letter": "b"})
    assert (is_new, copy.letter) == (False, "a")


async def test_a_value_of_the_constraint_is_needed(library: Library) -> None:
    for given in ({"title": "Emma", "author_id": 1}, {**EMMA, "isbn": None}):
        refused = await library.refused(upsert_row, BOOKS, given)
        assert [each["pointer"] for each in refused.data["errors"]] == ["/isbn"]


async def test_another_conflict_stays_one(library: Library) -> None:
    refused = await library.refused(upsert_row, BOOKS, {**EMMA, "author_id": 99})
    assert refused.detail == "There is no author 99."


async def test_a_row_that_one_does_not_see_is_a_conflict_as_at_a_creation(
    library: Library,
) -> None:
    library.rules = own_rows(Book)
    await library.run(insert_row, BOOKS, {**EMMA, "owner_id": 2}, actor=TWO)
    told = [
        await library.refused(service, BOOKS, {**EMMA, "title": "mine"})
        for service in (upsert_row, insert_row)
    ]
    assert told[0].detail == told[1].detail
    assert told[0].data == told[1].data
    assert (await library.read(Book, 1)).title == "Emma"


async def test_many_at_once_make_one_row(library: Library) -> None:
    found: list[bool] = []

    async def upsert(number: int) -> None:
        _, is_new = await library.run(upsert_row, BOOKS, {**EMMA, "title": str(number)})
        found.append(is_new)

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(upsert, number)
    assert sorted(found) == [False] * 7 + [True]
    count = await library.run(lambda db, _actor: db.scalar(select(func.count(Book.id))))
    assert count == 1


@pytest.mark.database("postgresql")  # SQLite has one writer, who begins when the other has ended
async def test_one_that_comes_while_another_makes_the_row_changes_it(library: Library) -> None:
    found: list[Any] = []

    async def upsert() -> None:
        found.append(await library.run(upsert_row, BOOKS, {**EMMA, "title": "second"}))

    async with anyio.create_task_group() as tasks, library.database.unit(actor=ONE) as session:
        await session.run_sync(lambda db: upsert_row(db, ONE, BOOKS, EMMA))
        tasks.start_soon(upsert)
        await library.wait_for_a_lock()
    ((row, is_new),) = found
    assert (is_new, row.title, row.version) == (False, "second", 2)


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        (Book, "uq_resource_book_isb", "Did you mean uq_resource_book_isbn?"),
        (Author, "pk_resource_author", "is over id, which clients do not send"),
        (Book, "ix_resource_book_author_id", "names no unique constraint"),
    ],
)
def test_a_name_that_is_none_is_refused_at_the_start(model: Any, name: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        write_options(model, upsert=name)
    assert said in refused.value.detail
