"""Who walks the pages of a list sees every row that is there all the time exactly once, whatever
it is sorted by, in both directions, and while others write."""

import datetime as dt
import math
import uuid
from collections.abc import Sequence
from decimal import Decimal
from itertools import product
from typing import Any

import anyio.to_thread
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from tests.api.resource.query_classes import QueryBook, QuerySeat, Status
from tests.api.resource.reading import Desk, Statements, desk, store
from trivet import Identity, Platform
from trivet.errors import Invalid

pytestmark = pytest.mark.anyio

SORTED = (
    "text", "whole", "double", "single", "decimal", "flag", "status", "colour", "instant", "day",
    "time", "span", "uid", "needed",
)  # fmt: skip


def values_at(place: int) -> dict[str, Any]:
    """The values of a seat: some null, some equal, and those that a type may lose."""
    few = place % 4
    instant = dt.datetime(2013, 2, 8, 23, 59, 59, tzinfo=dt.UTC)
    return {
        "text": (None, "a", "A", "ä%_")[few],
        "whole": (None, -1, 0, 2**31 - 1)[few],
        "double": (None, 0.1 + 0.2, 1e300, -0.0)[few],
        "single": (None, 0.1, 0.2, 16777217.0)[few],
        "decimal": (None, Decimal("0.1"), Decimal("0.300"), Decimal(-5))[few],
        "flag": (None, True, False, True)[few],
        "status": (None, Status.LIVE, Status.DRAFT, Status.GONE)[few],
        "colour": (None, "red", "blue", "red")[few],
        "instant": (None, instant, instant + dt.timedelta(microseconds=1), instant)[few],
        "day": (None, dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2013, 2, 8))[few],
        "time": (None, dt.time(0), dt.time(23, 59, 59, 999999), dt.time(12))[few],
        "span": (None, dt.timedelta(days=-1), dt.timedelta(microseconds=7), dt.timedelta(0))[few],
        "uid": (None, uuid.UUID(int=7), uuid.UUID(int=2**127), uuid.UUID(int=0))[few],
        "needed": few,
    }


def seats(count: int) -> list[QuerySeat]:
    return [QuerySeat(hall="ab~"[at % 3], number=at, **values_at(at // 2)) for at in range(count)]


async def sort_desk(platform: Platform, **options: Any) -> Desk:
    options.setdefault("sorts", (*SORTED, "hall", "number"))
    return await anyio.to_thread.run_sync(lambda: desk(platform, QuerySeat, **options))


def key(row: Any) -> tuple[str, int]:
    return row["hall"], row["number"]


def in_order(rows: Sequence[Any], name: str, *, descending: bool) -> bool:
    """Whether nulls come last, or first where the order descends, and the rest is as the values
    are; texts are left to the database."""
    found = [row[name] for row in rows]
    nulls = [value is None for value in (found[::-1] if descending else found)]
    if nulls != sorted(nulls):
        return False
    if name in ("text", "instant", "status", "colour", "decimal", "span", "uid"):
        return True
    known = [value for value in found if value is not None]
    return known == sorted(known, reverse=descending)


async def test_each_type_can_be_walked_by(shelves: Platform) -> None:
    await store(shelves, *seats(16))
    asking = await sort_desk(shelves)

    for name, descending in product(SORTED, (False, True)):
        sort = f"-{name}" if descending else name
        whole = await asking.walk(sort=sort, limit=200)
        # With a count it goes another way, on which a driver says of what type a value is.
        words = {"count": "exact"} if name == "single" else {}
        paged = await asking.walk(sort=sort, limit=6, **words)

        assert in_order(whole, name, descending=descending), name
        assert len({key(row) for row in whole}) == 16
        assert [key(row) for row in paged] == [key(row) for row in whole], name


MIXED = ("whole,-text", "-flag,day,-whole", "needed,-number", "-needed,-hall", "hall,-number")


async def test_directions_can_be_mixed_and_the_way_back_is_the_same(shelves: Platform) -> None:
    await store(shelves, *seats(30))
    asking = await sort_desk(shelves)

    for sort in MIXED:
        whole = await asking.walk(sort=sort, limit=200)
        there = await asking.page(sort=sort, limit=4)
        while there["next_cursor"]:
            there = await asking.page(sort=sort, limit=4, cursor=there["next_cursor"])
        back = there["items"][::-1]
        back += await asking.walk(
            cursor="previous_cursor", start=there["previous_cursor"], sort=sort, limit=4
        )

        assert back[::-1] == whole, sort


async def test_the_ends_have_no_cursors_beyond_them(shelves: Platform) -> None:
    await store(shelves, *seats(6))
    asking = await sort_desk(shelves)

    first = await asking.page(limit=3)
    second = await asking.page(limit=3, cursor=first["next_cursor"])
    again = await asking.page(limit=3, cursor=second["previous_cursor"])
    empty = await asking.page(hall="nothing")

    assert (first["previous_cursor"], second["next_cursor"]) == (None, None)
    assert again["items"] == first["items"]
    assert again["previous_cursor"] is None
    assert empty == {"items": [], "next_cursor": None, "previous_cursor": None}


async def test_a_page_whose_rows_are_all_gone_leads_back(shelves: Platform) -> None:
    await store(shelves, *seats(6))
    asking = await sort_desk(shelves)
    first = await asking.page(limit=3, sort="number")

    await run(shelves, lambda db: db.execute(delete(QuerySeat).where(QuerySeat.number > 2)))
    gone = await asking.page(limit=3, sort="number", cursor=first["next_cursor"])
    back = await asking.page(limit=3, sort="number", cursor=gone["previous_cursor"])

    assert (gone["items"], gone["next_cursor"]) == ([], None)
    assert back["items"] == first["items"]


async def run(platform: Platform, work: Any) -> Any:
    def service(db: Session, _actor: Identity) -> Any:
        return work(db)

    async with platform.open_unit() as unit:
        return await unit.run(service)


async def test_numbers_that_are_none_have_their_place(shelves: Platform) -> None:
    """PostgreSQL alone stores them; NaN is greater than any number there, and less than null."""
    if shelves.database.is_sqlite:
        pytest.skip("SQLite stores NaN as null")
    await store(shelves, *(QuerySeat(hall="a", number=at) for at in range(10)))
    for at in range(10):
        number = (math.nan, math.inf, -math.inf, 1.5, None)[at % 5]
        decimal = (Decimal("NaN"), Decimal("NaN"), Decimal("1.5"), None, None)[at % 5]
        values = {"double": number, "single": number, "decimal": decimal}
        change = update(QuerySeat).where(QuerySeat.number == at).values(values)
        await run(shelves, lambda db, change=change: db.connection().execute(change))
    asking = await sort_desk(shelves)

    for sort in ("double", "-double", "single", "-single", "decimal", "-decimal"):
        rows = await asking.walk(sort=sort, limit=2, fields="hall,number")
        assert sorted(row["number"] for row in rows) == list(range(10)), sort


# Cursors

OTHER_QUESTIONS: tuple[dict[str, Any], ...] = (
    {"sort": "-whole"},
    {"sort": "whole,text"},
    {"sort": "whole", "needed": 1},
    {"sort": "whole", "needed": [1, 2]},
    {"sort": "whole", "text.contains": "a"},
    {},
)


async def test_a_cursor_of_another_question_is_refused(shelves: Platform) -> None:
    await store(shelves, *seats(6))
    asking = await sort_desk(shelves)
    page = await asking.page(sort="whole", limit=2)

    assert await asking.page(sort="whole", limit=3, fields="hall", cursor=page["next_cursor"])
    for words in OTHER_QUESTIONS:
        with pytest.raises(Invalid) as refused:
            await asking.page(**words, cursor=page["next_cursor"])
        assert refused.value.data["errors"][0]["pointer"] == "/cursor"


async def test_a_cursor_of_another_resource_or_one_that_was_changed_is_refused(
    shelves: Platform,
) -> None:
    await store(shelves, *seats(6), *(QueryBook(id=at, title="x") for at in range(6)))
    asking = await sort_desk(shelves)
    books = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook))
    cursor = (await books.page(limit=2))["next_cursor"]

    own = (await asking.page(limit=2))["next_cursor"]
    for other in (cursor, own[:-2] + "AA", own[1:], f"{own}=", "AAAA"):
        with pytest.raises(Invalid, match="cursor"):
            await asking.page(cursor=other)


# While others write

MOVES = st.lists(st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 40)), max_size=4)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    staying=st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=12),
    moves=st.lists(MOVES, max_size=6),
    sort=st.sampled_from(
        ["whole", "-whole", "whole,-text", "-text,whole", "-needed", "needed,-whole"]
    ),
    limit=st.integers(1, 4),
    way=st.sampled_from(["next_cursor", "previous_cursor"]),
)
async def test_rows_that_stay_are_seen_exactly_once_while_others_come_and_go(  # noqa: PLR0917  # Hypothesis names them
    shelves: Platform,
    staying: list[tuple[int, bool]],
    moves: list[list[tuple[str, int]]],
    sort: str,
    limit: int,
    way: str,
) -> None:
    await run(shelves, lambda db: db.execute(delete(QuerySeat)))
    await store(
        shelves,
        *(QuerySeat(hall="s", number=at, **values_at(few)) for at, (few, _) in enumerate(staying)),
        *(QuerySeat(hall="g", number=at, **values_at(at)) for at in range(0, 40, 3)),
    )
    asking = await anyio.to_thread.run_sync(_asking, shelves)
    words: dict[str, Any] = {"sort": sort, "limit": limit, "fields": "hall,number"}
    page = await asking.page(**words)
    while way == "previous_cursor" and page["next_cursor"]:  # to the end, from where it walks back
        page = await asking.page(**words, cursor=page["next_cursor"])
    cursor, seen = page[way], [key(row) for row in page["items"]]
    writing = iter(moves)

    while cursor:
        await write(shelves, next(writing, []))
        page = await asking.page(**words, cursor=cursor)
        seen += [key(row) for row in page["items"]]
        cursor = page[way]

    stayed = [each for each in seen if each[0] == "s"]
    assert sorted(stayed) == [("s", at) for at in range(len(staying))]


def _asking(shelves: Platform) -> Desk:
    return desk(shelves, QuerySeat, sorts=(*SORTED, "hall", "number"))


async def write(shelves: Platform, moves: list[tuple[str, int]]) -> None:
    """Rows of the hall g come and go."""

    def work(db: Session) -> None:
        for kind, number in moves:
            there = db.get(QuerySeat, ("g", number))
            if kind == "delete" and there is not None:
                db.delete(there)
            if kind == "insert" and there is None:
                db.add(QuerySeat(hall="g", number=number, **values_at(number)))
            db.flush()

    await run(shelves, work)


# What PostgreSQL makes of it


async def test_a_page_is_found_by_an_index_and_not_by_sorting_the_table(
    shelves: Platform,
) -> None:
    """`price` may be null, so its page has two ranges; whatever is sorted is two pages at most."""
    if shelves.database.is_sqlite:
        pytest.skip("it is PostgreSQL that says so")
    await run(shelves, lambda db: db.connection().execute(text(MANY)))
    await run(shelves, lambda db: db.connection().execute(text("ANALYZE query_book")))
    sorts = ("price", "pages")
    asking = await anyio.to_thread.run_sync(lambda: desk(shelves, QueryBook, sorts=sorts))
    statements = Statements(shelves)

    for sort in ("price", "-price", "pages", "-pages"):
        words: dict[str, Any] = {"sort": sort, "limit": 5, "count": "exact"}
        page = await asking.page(**words)
        for _ in range(2):
            page = await asking.page(**words, cursor=page["next_cursor"])
            await require_index(shelves, statements, sort)
        await asking.page(**words, cursor=page["previous_cursor"])
        await require_index(shelves, statements, sort)


MANY = """
    INSERT INTO query_book (id, title, price, pages, status, sort)
    SELECT n, 'Book', nullif(n % 400, 0), n % 500, 'live', 0 FROM generate_series(1, 4000) AS n
"""


async def require_index(shelves: Platform, statements: Statements, sort: str) -> None:
    # The last but one, for the last one counts.
    explained, parameters = (
        f"EXPLAIN (FORMAT JSON) {statements.texts[-2]}",
        statements.parameters[-2],
    )
    plan = await run(
        shelves,
        lambda db: db.connection().exec_driver_sql(explained, parameters).scalar_one(),
    )
    nodes = list(nodes_of(plan[0]["Plan"]))
    index = f"query_book_{sort.lstrip('-')}_id"
    scans = [node for node in nodes if "Index Name" in node]
    assert {node["Index Name"] for node in scans} == {index}, nodes
    assert all("Index Cond" in node for node in scans), nodes
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan"], nodes
    assert all(node["Plan Rows"] <= 12 for node in nodes if "Sort" in node["Node Type"]), nodes


def nodes_of(plan: Any) -> Any:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes_of(inner)
