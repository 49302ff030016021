"""Many rows in one request: all or nothing, or each with its own outcome."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy import event, func, select

from tests.api.resource.library import Author, Book, Copy, Library, Tag, own_rows
from trivet.errors import TrivetError
from trivet_api.resource.bulk import delete_batch, insert_batch, problem_of, update_batch
from trivet_api.resource.bulk_schemas import MOST_ITEMS, answer_schema, batch_schema
from trivet_api.resource.schemas import schema
from trivet_api.resource.writing import insert_row, write_options

pytestmark = pytest.mark.anyio

BOOKS = write_options(Book, members=["tags"])
COPIES = write_options(Copy)
CREATE, UPDATE, DELETE = (batch_schema(BOOKS, verb) for verb in ("create", "update", "delete"))
EMMA: dict[str, Any] = {"title": "Emma", "author_id": 1}


def body(model: type[BaseModel], items: list[Any], *, atomic: bool = True) -> BaseModel:
    return model.model_validate({"items": items, "atomic": atomic})


async def titles(library: Library) -> list[str]:
    found: list[str] = await library.run(
        lambda db, _actor: list(db.scalars(select(Book.title).order_by(Book.title)))
    )
    return found


def places(error: TrivetError) -> list[str]:
    return [each["pointer"] for each in error.data["errors"]]


async def test_rows_are_made_in_the_order_in_which_they_stand(library: Library) -> None:
    items = [{**EMMA, "title": f"{number:03}", "tags": [1]} for number in range(50)]
    outcomes = await library.run(insert_batch, BOOKS, body(CREATE, items))
    assert [(each.status, each.row.title) for each in outcomes] == [
        (201, each["title"]) for each in items
    ]
    ids = [each.row.id for each in outcomes]
    assert ids == sorted(ids)
    assert len(await titles(library)) == 50


REFUSED: list[tuple[Any, int, str]] = [
    ({**EMMA, "author_id": 99}, 409, "/author_id"),
    ({**EMMA, "tags": [1, 99]}, 409, "/tags/1"),
    ({**EMMA, "isbn": "taken"}, 409, "/isbn"),
    ({**EMMA, "author_id": 2}, 409, "/author_id"),  # it is user 2's
    ({**EMMA, "owner_id": 2}, 403, ""),
]


@pytest.mark.parametrize(("bad", "status", "place"), REFUSED)
async def test_one_that_is_refused_is_named_and_the_others_are_as_asked(
    library: Library, bad: Any, status: int, place: str
) -> None:
    library.rules = own_rows(Author, Book, Tag)
    await library.run(insert_row, BOOKS, {**EMMA, "isbn": "taken"})
    items = [{**EMMA, "title": "a"}, bad, {**EMMA, "title": "b"}]
    refused = await library.refused(insert_batch, BOOKS, body(CREATE, items))
    assert (refused.status, places(refused)) == (status, [f"/items/1{place}"])
    assert await titles(library) == ["Emma"]

    outcomes = await library.run(insert_batch, BOOKS, body(CREATE, items, atomic=False))
    assert [each.status for each in outcomes] == [201, status, 201]
    assert places(outcomes[1].error) == [f"/items/1{place}"]
    assert problem_of(outcomes[1].error)["status"] == status
    assert await titles(library) == ["Emma", "a", "b"]


async def test_an_item_that_is_not_valid_has_its_own_outcome(library: Library) -> None:
    items: list[Any] = [{**EMMA, "price": "x", "id": 7}, EMMA, 7]
    with pytest.raises(ValidationError) as refused:
        body(CREATE, items)
    assert {each["loc"][:2] for each in refused.value.errors()} == {("items", 0), ("items", 2)}

    outcomes = await library.run(insert_batch, BOOKS, body(CREATE, items, atomic=False))
    assert [each.status for each in outcomes] == [422, 201, 422]
    assert sorted(places(outcomes[0].error)) == ["/items/0/id", "/items/0/price"]
    assert places(outcomes[2].error) == ["/items/2"]


async def test_changes_and_deletions_name_their_rows(library: Library) -> None:
    made = await library.run(insert_batch, BOOKS, body(CREATE, [EMMA, EMMA, EMMA]))
    one, two, three = (str(each.row.id) for each in made)
    changes = [
        {"key": two, "changes": {"title": "two"}, "if_match": '"1"'},
        {"key": one, "changes": {"title": "one"}},
    ]
    outcomes = await library.run(update_batch, BOOKS, body(UPDATE, changes))
    assert [(each.status, each.row.title) for each in outcomes] == [(200, "two"), (200, "one")]

    wrong = [
        ({"key": "99", "changes": {"title": "x"}}, 404, "/key"),
        ({"key": two, "changes": {"title": "x"}, "if_match": '"1"'}, 412, "/key"),
        ({"key": two, "changes": {"author_id": 99}}, 409, "/changes/author_id"),
        ({"key": "x", "changes": {"title": "x"}}, 422, "/key"),
        ({"key": "9" * 30, "changes": {"title": "x"}}, 422, "/key"),
    ]
    good = {"key": three, "changes": {"title": "three"}}
    for bad, status, place in wrong:
        refused = await library.refused(update_batch, BOOKS, body(UPDATE, [good, bad]))
        assert (refused.status, places(refused)) == (status, [f"/items/1{place}"])
    assert await titles(library) == ["Emma", "one", "two"]
    items = [*(bad for bad, _, _ in wrong), good]
    outcomes = await library.run(update_batch, BOOKS, body(UPDATE, items, atomic=False))
    assert [each.status for each in outcomes] == [404, 412, 409, 422, 422, 200]

    await library.run(insert_row, COPIES, {"book_id": int(one), "letter": "a"})
    gone = [{"key": two, "if_match": '"2"'}, {"key": one}, {"key": three}]
    refused = await library.refused(delete_batch, BOOKS, body(DELETE, gone))
    assert (refused.status, places(refused)) == (409, ["/items/1"])
    assert len(await titles(library)) == 3
    outcomes = await library.run(delete_batch, BOOKS, body(DELETE, gone, atomic=False))
    assert [each.status for each in outcomes] == [204, 409, 204]
    assert await titles(library) == ["one"]


async def test_one_row_is_not_named_twice(library: Library) -> None:
    (made,) = await library.run(insert_batch, BOOKS, body(CREATE, [EMMA]))
    items = [{"key": str(made.row.id), "changes": {"title": each}} for each in "ab"]
    refused = await library.refused(update_batch, BOOKS, body(UPDATE, items))
    assert (refused.status, places(refused)) == (422, ["/items/1/key"])


@pytest.mark.parametrize(
    "items", [[], [EMMA] * (MOST_ITEMS + 1), {}, None], ids=["0", "m", "{}", "-"]
)
@pytest.mark.parametrize("atomic", [True, False])
def test_there_is_a_least_and_a_most(items: Any, atomic: bool) -> None:
    with pytest.raises(ValidationError):
        body(CREATE, items, atomic=atomic)


def test_the_schemas_have_names_of_their_own() -> None:
    shown = schema(Book, "read", members=["tags"])
    made = [CREATE, UPDATE, DELETE, answer_schema(BOOKS, shown), answer_schema(BOOKS, None)]
    assert [each.__name__ for each in made] == [
        "BookBatchCreate",
        "BookBatchUpdate",
        "BatchDelete",
        "BookBatchAnswer",
        "BatchDeleteAnswer",
    ]
    assert {*CREATE.model_json_schema()["$defs"]} == {"BookCreate", "Status"}
    assert {*UPDATE.model_json_schema()["$defs"]} == {"BookUpdate", "BookChange", "Status"}
    items = CREATE.model_json_schema()["properties"]["items"]
    assert (items["minItems"], items["maxItems"]) == (1, MOST_ITEMS)


@pytest.mark.database("postgresql")  # SQLite gives keys back in an order only one by one
async def test_a_large_batch_is_one_statement(library: Library) -> None:
    sent: list[str] = []
    engine = library.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda *given: sent.append(given[2]))
    items = [{**EMMA, "title": str(number)} for number in range(100)]
    await library.run(insert_batch, BOOKS, body(CREATE, items))
    assert len([each for each in sent if each.startswith("INSERT INTO resource_book")]) == 1
    count = await library.run(lambda db, _actor: db.scalar(select(func.count(Book.id))))
    assert count == 100
