"""Every door of the API, asked for every row by every role: what a rule says is what a door shows.

The rows that a role may see are those for which the function of its rule holds. Each door of the
table below must show these and no other, or touch these and no other.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, delete, insert, or_

from tests.api.resource.bookshop.models import Base, Label, Novel, Shelf, labelling
from tests.api.resource.bookshop_api import LABELS, NOVELS, PLACES, open_bookshop
from tests.platform.bare import client_of
from tests.platform.watched_rules import module_of
from trivet import Identity
from trivet.asgi.root import Root
from trivet.rules import visible
from trivet.rules.declaring import declared_in

pytestmark = pytest.mark.anyio

ROLES = ("clerk", "guest")
NUMBERS = range(1, 7)


def is_seen(role: str, number: int) -> bool:
    """The rule in Python: a clerk sees even numbers, a guest the first three."""
    return number % 2 == 0 if role == "clerk" else number <= 3


@visible(Novel)
def some_novels(actor: Identity) -> Any:
    return Novel.id % 2 == 0 if actor.username == "clerk" else Novel.id <= 3


@visible(Label)
def some_labels(actor: Identity) -> Any:
    return Label.id % 2 == 0 if actor.username == "clerk" else Label.id <= 3


@visible(Shelf)
def some_shelves(actor: Identity) -> Any:
    seen = [str(number) for number in NUMBERS if is_seen(actor.username, number)]
    return or_(*(Shelf.mark == each for each in seen))


def staff(badge: str) -> Identity:
    """Whoever is named is one of the staff."""
    return Identity(1, badge, "session", is_staff=True)


def fill(url: str) -> None:
    """Six of each, and every novel has every label."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(
            insert(Novel),
            [{"id": n, "title": f"T{n}", "isbn": str(n), "sold": False, "version": 1}
             for n in NUMBERS],
        )  # fmt: skip
        connection.execute(insert(Label), [{"id": n, "word": f"w{n}"} for n in NUMBERS])
        connection.execute(insert(Shelf), [{"mark": str(n), "room": "x"} for n in NUMBERS])
        pairs = [{"novel_id": n, "label_id": m} for n in NUMBERS for m in NUMBERS]
        connection.execute(insert(labelling), pairs)
    engine.dispose()


@pytest.fixture
def root(fresh_database_url: str) -> Root:
    fill(fresh_database_url)
    root = open_bookshop(fresh_database_url, staff)
    rules = module_of(novels=some_novels, labels=some_labels, shelves=some_shelves)
    for declared in declared_in(rules):
        root.platform.capture.rules.add(declared)
    return root


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        yield client
    await root.platform.database.close()


Door = Callable[[httpx2.AsyncClient], Awaitable[set[int]]]


async def items(client: httpx2.AsyncClient, path: str) -> list[Any]:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


async def listed(client: httpx2.AsyncClient) -> set[int]:
    return {row["id"] for row in await items(client, NOVELS)}


async def paged(client: httpx2.AsyncClient) -> set[int]:
    found: set[int] = set()
    path = f"{NOVELS}?limit=1&sort=-title"
    while path:
        page = (await client.get(path)).json()
        found |= {row["id"] for row in page["items"]}
        cursor = page["next_cursor"]
        path = f"{NOVELS}?limit=1&sort=-title&cursor={cursor}" if cursor else ""
    return found


async def searched(client: httpx2.AsyncClient) -> set[int]:
    return {n for n in NUMBERS if await items(client, f"{NOVELS}?search=T{n}")}


async def counted(client: httpx2.AsyncClient) -> set[int]:
    found = set()
    for n in NUMBERS:
        for kind in ("exact", "planned"):
            page = (await client.get(f"{NOVELS}?id={n}&count={kind}&groups=sold")).json()
            assert page["count"] == sum(each["count"] for each in page["groups"]["sold"]["items"])
            found |= {n} if page["count"] else set()
    return found


async def read(client: httpx2.AsyncClient) -> set[int]:
    return {n for n in NUMBERS if (await client.get(f"{NOVELS}/{n}")).status_code == 200}


async def read_by_text(client: httpx2.AsyncClient) -> set[int]:
    return {n for n in NUMBERS if (await client.get(f"{PLACES}/{n}")).status_code == 200}


async def among_members(client: httpx2.AsyncClient) -> set[int]:
    return {label for row in await items(client, NOVELS) for label in row["labels"]}


async def expanded(client: httpx2.AsyncClient) -> set[int]:
    rows = await items(client, f"{NOVELS}?expand=labels")
    return {label["id"] for row in rows for label in row["labels"]["items"]}


async def changed(client: httpx2.AsyncClient) -> set[int]:
    return {
        n
        for n in NUMBERS
        if (await client.patch(f"{NOVELS}/{n}", json={"sold": True})).status_code == 200
    }


async def changed_at_once(client: httpx2.AsyncClient) -> set[int]:
    body = {
        "items": [{"key": str(n), "changes": {"sold": True}} for n in NUMBERS],
        "atomic": False,
    }
    answers = (await client.post(f"{NOVELS}:batchUpdate", json=body)).json()["items"]
    return {n for n, each in zip(NUMBERS, answers, strict=True) if each["status"] == 200}


async def changed_among_others(client: httpx2.AsyncClient) -> set[int]:
    found = set()
    for n in NUMBERS:
        operation = {"operation": "update", "resource": "bookshop/novels", "key": str(n)}
        body = {"operations": [{**operation, "values": {"sold": True}}]}
        found |= {n} if (await client.post("/api/batch", json=body)).status_code == 200 else set()
    return found


async def upserted(client: httpx2.AsyncClient) -> set[int]:
    """Those that somebody does not see are in the way, as another row with the same ISBN is."""
    bodies = {n: {"title": "new", "isbn": str(n)} for n in NUMBERS}
    answers = {n: await client.post(f"{NOVELS}:upsert", json=body) for n, body in bodies.items()}
    assert {each.status_code for each in answers.values()} == {200, 409}
    return {n for n, each in answers.items() if each.status_code == 200}


async def referred_to(client: httpx2.AsyncClient) -> set[int]:
    own = min(await listed(client))
    return {
        n
        for n in NUMBERS
        if (await client.patch(f"{NOVELS}/{own}", json={"labels": [n]})).status_code == 200
    }


async def deleted(client: httpx2.AsyncClient) -> set[int]:
    return {n for n in NUMBERS if (await client.delete(f"{NOVELS}/{n}")).status_code == 204}


async def deleted_at_once(client: httpx2.AsyncClient) -> set[int]:
    body = {"items": [{"key": str(n)} for n in NUMBERS], "atomic": False}
    answers = (await client.post(f"{NOVELS}:batchDelete", json=body)).json()["items"]
    return {n for n, each in zip(NUMBERS, answers, strict=True) if each["status"] == 204}


DOORS: list[Door] = [
    *(listed, paged, searched, counted, read, read_by_text, among_members, expanded),
    *(changed, changed_at_once, changed_among_others, upserted, referred_to),
    *(deleted, deleted_at_once),
]
DELETING = (deleted, deleted_at_once)


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
async def test_a_door_shows_what_the_rule_says(client: httpx2.AsyncClient, door: Door) -> None:
    left = {*NUMBERS}
    for role in ROLES:
        client.headers["x-badge"] = role
        seen = {n for n in left if is_seen(role, n)}
        assert await door(client) == seen, role
        if door in DELETING:
            left -= seen


async def test_a_row_that_is_not_seen_is_told_like_one_that_is_missing(
    client: httpx2.AsyncClient,
) -> None:
    client.headers["x-badge"] = "clerk"
    for path in (f"{NOVELS}/1", f"{NOVELS}/99", f"{LABELS}/1", f"{LABELS}/99"):
        answer = await client.get(path)
        number = path.rpartition("/")[2]
        noun = "novel" if "novels" in path else "label"
        assert (answer.status_code, answer.json()["detail"]) == (
            404,
            f"There is no {noun} {number}.",
        )


async def test_a_row_that_would_be_lost_from_sight_is_not_made(client: httpx2.AsyncClient) -> None:
    client.headers["x-badge"] = "clerk"

    answers = [
        await client.post(PLACES, json={"mark": str(n), "room": "x"}) for n in ("7", "elsewhere")
    ]

    assert [each.status_code for each in answers] == [403, 403]
    assert {each.json()["code"] for each in answers} == {"row-not-yours"}


@visible(Novel, "isbn")
def numbers(actor: Identity) -> bool:
    return actor.username == "clerk"


async def test_an_answer_is_not_confirmed_to_whom_it_shows_more_or_less_than_now(
    root: Root, client: httpx2.AsyncClient
) -> None:
    for declared in declared_in(module_of(numbers=numbers)):
        root.platform.capture.rules.add(declared)
    async with root.platform.database.engine.begin() as connection:
        await connection.execute(delete(labelling))  # of which both roles see others
    tags: dict[str, str] = {}
    for role in ROLES:
        client.headers["x-badge"] = role
        read = await client.get(f"{NOVELS}/2")
        assert ("isbn" in read.json()) is (role == "clerk")
        tags[role] = read.headers["etag"]
    for role in ROLES:
        client.headers["x-badge"] = role
        for other, tag in tags.items():
            read = await client.get(f"{NOVELS}/2", headers={"if-none-match": tag})
            assert (read.status_code == 304) is (other == role)
            changed = await client.patch(f"{NOVELS}/2", json={}, headers={"if-match": tag})
            assert (changed.status_code == 200) is (other == role)


NEW = {"title": "T"}
WHOLE = {**NEW, "isbn": "9"}


@pytest.mark.parametrize("row", [NEW, WHOLE, {}], ids=["without", "with", "nothing"])
async def test_who_does_not_see_what_a_new_row_needs_is_told_so(
    client: httpx2.AsyncClient, root: Root, row: dict[str, str]
) -> None:
    for declared in declared_in(module_of(numbers=numbers)):
        root.platform.capture.rules.add(declared)
    operations = [
        {"operation": verb, "resource": "bookshop/novels", "values": row}
        for verb in ("create", "upsert")
    ]
    requests: list[tuple[str, Any]] = [
        (NOVELS, row),
        (f"{NOVELS}:upsert", row),
        (f"{NOVELS}:batchCreate", {"items": [row]}),
        *(("/api/batch", {"operations": [each]}) for each in operations),
    ]
    for path, body in requests:
        answer = await client.post(path, json=body, headers={"x-badge": "guest"})
        assert (answer.status_code, answer.json()["code"]) == (403, "attribute-not-yours"), path
        assert answer.json()["detail"] == (
            "You may not make a novel: a new one needs its isbn, which you do not see."
        )
        made = await client.post(path, json=body, headers={"x-badge": "clerk"})
        assert made.json().get("code") != "attribute-not-yours"
