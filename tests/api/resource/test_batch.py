"""Operations on several resources in one transaction."""

from asyncio import Barrier
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from tests.api.resource.library import ONE, Author, Book, Library, Tag, rules_of
from trivet import Identity
from trivet.identity.policy import public, requires
from trivet.rules import visible
from trivet_api.resource.batch import Batch, BatchTarget, run_operations
from trivet_api.resource.schemas import readable_fields
from trivet_api.resource.writing import insert_row, update_row, write_options

pytestmark = pytest.mark.anyio

EVERY = {verb: [public] for verb in ("create", "update", "delete", "upsert")}
TARGETS = {
    "library/authors": BatchTarget(
        write_options(Author, upsert="uq_resource_author_name"), readable_fields(Author), EVERY
    ),
    "library/books": BatchTarget(
        write_options(Book, members=["tags"]),
        readable_fields(Book),
        {"create": [public], "update": [public], "delete": [requires("library.delete_book")]},
    ),
    "library/tags": BatchTarget(write_options(Tag), readable_fields(Tag), {"create": [public]}),
}


def create(resource: str, **values: Any) -> dict[str, Any]:
    return {"operation": "create", "resource": resource, "values": values}


def result(index: int, name: str) -> dict[str, Any]:
    return {"$result": [index, name]}


AUTHOR = create("library/authors", name="Eliot")
TAG = create("/library/tags/", word="long")
BOOK = create(
    "library/books",
    title="Middlemarch",
    author_id=result(0, "id"),
    tags=[1, result(1, "id")],
)


async def do(library: Library, *operations: dict[str, Any]) -> list[Any]:
    body = Batch.model_validate({"operations": operations})
    found: list[Any] = await library.run(run_operations, TARGETS, body.operations)
    return found


async def refusal(library: Library, *operations: dict[str, Any]) -> tuple[int, list[str]]:
    body = Batch.model_validate({"operations": operations})
    error = await library.refused(run_operations, TARGETS, body.operations)
    return error.status, [each["pointer"] for each in error.data["errors"]]


async def count(library: Library, model: type[Any]) -> int:
    query = select(func.count()).select_from(model)
    found: int = await library.run(lambda db, _actor: db.scalar(query))
    return found


async def test_what_was_made_before_can_be_referred_to(library: Library) -> None:
    author, tag, book = await do(library, AUTHOR, TAG, BOOK)
    assert [each.status for each in (author, tag, book)] == [201, 201, 201]
    assert book.row.author_id == author.row.id
    key = str(book.row.id)
    changed, same, _ = await do(
        library,
        {
            "operation": "update",
            "resource": "library/books",
            "key": key,
            "values": {"title": "x"},
            "if_match": '"1"',
        },
        {"operation": "upsert", "resource": "library/authors", "values": {"name": "Eliot"}},
        create("library/authors", name="Wilde"),
    )
    assert (changed.status, changed.row.title, same.status) == (200, "x", 200)


async def test_a_key_that_is_answered_as_a_text_is_a_number_in_a_column_that_refers_to_it(
    library: Library,
) -> None:
    shown = BatchTarget(write_options(Author), readable_fields(Author, as_text=["id"]), EVERY)
    operations = Batch.model_validate(
        {"operations": [AUTHOR, TAG, BOOK, create("library/tags", word=result(0, "id"))]}
    ).operations
    targets = {**TARGETS, "library/authors": shown}
    author, _, book, tag = await library.run(run_operations, targets, operations)
    assert book.row.author_id == author.row.id
    assert tag.row.word == str(author.row.id)


REFUSED: list[tuple[list[dict[str, Any]], int, str]] = [
    ([AUTHOR, create("library/books", title="x", author_id=99)], 409, "1/values/author_id"),
    ([AUTHOR, create("library/authors", name="Eliot")], 409, "1/values/name"),
    ([AUTHOR, create("library/authors", name="x" * 21)], 422, "1/values/name"),
    ([AUTHOR, create("library/authors", name="x", id=7)], 422, "1/values/id"),
    ([AUTHOR, create("library/author", name="x")], 404, "1/resource"),
    ([AUTHOR, {**TAG, "operation": "update", "key": "1"}], 404, "1/operation"),
    ([AUTHOR, {**AUTHOR, "operation": "update", "key": "99"}], 404, "1"),
    ([AUTHOR, {**AUTHOR, "operation": "update", "key": "x"}], 422, "1/key"),
    ([AUTHOR, {**AUTHOR, "operation": "update"}], 422, "1/key"),
    ([AUTHOR, {**AUTHOR, "key": "1"}], 422, "1/key"),
    ([AUTHOR, {**AUTHOR, "if_match": '"1"'}], 422, "1/if_match"),
    ([AUTHOR, {**AUTHOR, "operation": "delete", "key": "1"}], 422, "1/values"),
    ([AUTHOR, create("library/authors", name=result(1, "name"))], 422, "1/values/name"),
    ([AUTHOR, create("library/authors", name=result(0, "nam"))], 422, "1/values/name"),
    ([AUTHOR, create("library/authors", name={"$result": 0})], 422, "1/values/name"),
    (
        [AUTHOR, {"operation": "delete", "resource": "library/books", "key": "1"}],
        403,
        "1",
    ),
]


@pytest.mark.parametrize(("operations", "status", "place"), REFUSED)
async def test_one_that_is_refused_undoes_all(
    library: Library, operations: list[dict[str, Any]], status: int, place: str
) -> None:
    assert await refusal(library, *operations) == (status, [f"/operations/{place}"])
    assert await count(library, Author) == 2


def handing_over(*keys: int) -> list[dict[str, Any]]:
    """To as many as there are keys."""
    return [
        {
            "operation": "update",
            "resource": "library/authors",
            "key": str(key),
            "values": {"owner_id": len(keys)},
        }
        for key in keys
    ]


def upserting(*keys: int) -> list[dict[str, Any]]:
    """The same, by their names."""
    names = {1: "Austen", 2: "Bronte", 3: "Eliot"}
    return [
        {
            "operation": "upsert",
            "resource": "library/authors",
            "values": {"name": names[key], "owner_id": len(keys)},
        }
        for key in keys
    ]


@pytest.mark.database("postgresql")  # SQLite has one writer
@pytest.mark.parametrize("operations", [handing_over, upserting])
async def test_those_that_change_the_same_rows_in_another_order_wait_for_each_other(
    library: Library, operations: Callable[..., list[dict[str, Any]]]
) -> None:
    await do(library, AUTHOR)
    async with anyio.create_task_group() as tasks, library.database.unit(actor=ONE) as session:
        values = {"owner_id": 9}
        write = TARGETS["library/authors"].write
        await session.run_sync(lambda db: update_row(db, ONE, write, "3", values))
        tasks.start_soon(do, library, *operations(1, 3, 2))
        await library.wait_for_a_lock()
        tasks.start_soon(do, library, *operations(2, 1))
        await library.wait_for_a_lock(2)
    owners = [(await library.read(Author, key)).owner_id for key in (1, 2, 3)]
    assert owners == [2, 2, 3]


@pytest.mark.database("postgresql")  # as above
async def test_rows_to_which_others_refer_meanwhile_are_changed(library: Library) -> None:
    both = Barrier(2)

    async def add_book_and_change(owner: int) -> None:
        values = {"title": str(owner), "author_id": 1}
        async with library.database.unit(actor=ONE) as session:
            await session.run_sync(insert_row, ONE, TARGETS["library/books"].write, values)
            await both.wait()
            await session.run_sync(
                update_row, ONE, TARGETS["library/authors"].write, "1", {"owner_id": owner}
            )

    async with anyio.create_task_group() as tasks:
        for owner in (1, 2):
            tasks.start_soon(add_book_and_change, owner)
    assert (await library.read(Author, 1)).owner_id in (1, 2)
    assert await count(library, Book) == 2


async def test_a_result_that_one_does_not_see_is_none(library: Library) -> None:
    referring = create("library/tags", word=result(0, "status"))
    book = create("library/books", title="x", author_id=1)
    assert [each.status for each in await do(library, book, referring)] == [201, 201]

    @visible(Book, "status")
    def nobody(_actor: Identity) -> bool:
        return False

    library.rules = rules_of(nobody)
    assert await refusal(library, book, referring) == (422, ["/operations/1/values/word"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": [TAG] * 201},
        {"operations": [{**TAG, "operation": "list"}]},
        {"operations": [{**TAG, "values": None}]},
        {"operations": [TAG], "atomic": False},
    ],
    ids=str,
)
def test_a_body_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises(ValidationError):
        Batch.model_validate(body)
