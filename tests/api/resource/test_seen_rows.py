"""What an actor may see of a list and of a row, also by a statement that is kept for all."""

from typing import Any

import anyio.to_thread
import pytest
from sqlalchemy import and_, bindparam, exists, or_, select
from sqlalchemy.exc import SQLAlchemyError

from tests.api.resource.query_classes import QueryAuthor, QueryBook, QueryTag
from tests.api.resource.reading import ANYBODY, Statements, desk, store
from tests.api.resource.shelved import EDITOR, RULES, books, only_editors, rows, rules
from trivet import Identity, NotFound, Platform
from trivet.data.compiled_read import CompiledRead
from trivet_api.resource.statements import Sight

pytestmark = pytest.mark.anyio

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
